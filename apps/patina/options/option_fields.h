// Options structs as command-line options: one bind(Fields&) serves recipes and --help.
#pragma once

#include "apps/patina/command.h"
#include "patina/config/fields.h"

namespace patina::cli {

/// Adds `--some-key` to a command for every field of an options struct. The struct must outlive the
/// command.
class OptionFields : public Fields {
 public:
  explicit OptionFields(const Command& command) : command_(command) {}

 protected:
  void visit(const FieldInfo& info, bool& value) override;
  void visit(const FieldInfo& info, int64_t& value) override { number(info, value); }
  void visit(const FieldInfo& info, double& value) override { number(info, value); }
  void visit(const FieldInfo& info, std::string& value) override;
  void visit(const FieldInfo& info, std::vector<int64_t>& value) override { number(info, value); }
  void visit(const FieldInfo& info, std::vector<double>& value) override { number(info, value); }
  void visit(const FieldInfo& info, std::vector<std::string>& value) override;
  bool enter(std::string_view, std::string_view) override { return true; }
  void leave() override {}

 private:
  template <class T>
  void number(const FieldInfo& info, T& value);
  Command command_;
};

}  // namespace patina::cli
