// What `patina get` knows by name: weights and data sets, where their publishers have them, and
// their checksums where these are known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace patina::fetch {

struct KnownFile {
  /// Where it is; the last part is its name here. One that begins with "hub:" is a file of a
  /// repository of the Hugging Face hub, "hub:OWNER/NAME/FILE". Each is tried where the one before
  /// has no such file.
  std::vector<std::string> addresses;
  std::string sha256;       // "": none is known
  bool is_archive = false;  // a tar archive, whose files are put into the folder
  bool may_lack = false;    // not every repository has it
};

/// The last part of an address.
std::string file_name(const std::string& address);

struct Known {
  std::string name;
  std::string about;
  bool is_data = false;
  std::string shelf;   // the folder's name
  std::string use;     // what to do with it; "{}" is its folder
  std::string source;  // the publisher's page
  std::vector<KnownFile> files;
};

const std::vector<Known>& known();
/// Null: it is not in the list.
const Known* find_known(const std::string& name);

/// The address of a file as it is asked for: files of the hub at HF_ENDPOINT, by default
/// https://huggingface.co, and all others, where PATINA_MIRROR is set, at
/// PATINA_MIRROR/HOST/PATH.
std::string resolved(const std::string& address);
bool is_of_hub(const std::string& address);

}  // namespace patina::fetch
