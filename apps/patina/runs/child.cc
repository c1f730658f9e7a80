#include "apps/patina/runs/child.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <cstring>

#include "patina/base/error.h"

namespace patina::cli {

pid_t start_child(const std::vector<std::string>& words, const ChildOptions& options) {
  std::vector<std::string> all = {"patina"}, environment = options.variables;
  all.insert(all.end(), words.begin(), words.end());
  // The first of equal names counts.
  for (char** variable = ::environ; *variable; ++variable) environment.emplace_back(*variable);
  const auto pointers_to = [](std::vector<std::string>& list) {
    std::vector<char*> pointers;
    for (auto& item : list) pointers.push_back(item.data());
    pointers.push_back(nullptr);
    return pointers;
  };
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!options.log.empty()) {
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, options.log.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  }
  posix_spawnattr_t how;
  posix_spawnattr_init(&how);
  if (options.own_group) posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP);
  pid_t child = -1;
  const int error = ::posix_spawn(&child, "/proc/self/exe", &files, &how, pointers_to(all).data(),
                                  pointers_to(environment).data());
  posix_spawnattr_destroy(&how);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0)
    fail(ErrorKind::file, "cannot start another process of patina: {}", std::strerror(error));
  return child;
}

std::string last_message(const fs::path& log) {
  static const std::string kName = "\npatina: ";
  const std::string text = "\n" + read_text(log);
  const auto at = text.rfind(kName);
  if (at == std::string::npos) return "it ended without a message";
  const auto from = at + kName.size();
  return text.substr(from, text.find('\n', from) - from);
}

}  // namespace patina::cli
