// The program under test: started with its output in files, watched until it ends.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "patina/base/file.h"
#include "tests/support/shared.h"

namespace patina {

struct Result {
  int code = -1;
  std::string out, err;
};

// Starts the program with its output in files of `folder`.
inline pid_t start(const fs::path& folder, const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {PATINA_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const std::string out = (folder / "out").string(), err = (folder / "err").string();
  const pid_t child = fork();
  if (child != 0) return child;
  if (!freopen(out.c_str(), "w", stdout) || !freopen(err.c_str(), "w", stderr)) _exit(126);
  if (chdir(folder.c_str()) != 0) _exit(126);
  ::setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1);  // nothing of an earlier test is known
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execv(PATINA_PROGRAM, pointers.data());
  _exit(127);
}

inline Result finish(const fs::path& folder, pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), read_text(folder / "out"),
          read_text(folder / "err")};
}

inline Result call(const fs::path& folder, const std::vector<std::string>& arguments) {
  return finish(folder, start(folder, arguments));
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace patina
