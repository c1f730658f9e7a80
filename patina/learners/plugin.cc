#include "patina/learners/plugin.h"

#include <dlfcn.h>

#include <algorithm>
#include <mutex>

#include "patina/base/error.h"
#include "patina/base/file.h"
#include "patina/learners/add_learner.h"
#include "patina/learners/registry.h"

namespace patina {

namespace {

using AddPlugin = const char* (*)(const char* interface, PluginLearners* to);

struct LoadedPlugins {
  std::mutex mutex;
  std::vector<std::string> files;
};

LoadedPlugins& all_plugins() {
  static auto& all = *new LoadedPlugins;  // never destroyed: code of the libraries may still run
  return all;
}

std::string last_fault() {
  const char* said = ::dlerror();
  return said ? said : "no reason is known";
}

}  // namespace

void load_plugin(const fs::path& file) {
  if (!is_file(file)) fail(ErrorKind::file, "--plugin {}: there is no such file", file.string());
  const std::string path = fs::canonical(file).string();
  const std::lock_guard lock(all_plugins().mutex);
  auto& files = all_plugins().files;
  if (std::ranges::count(files, path) > 0) return;
  // It stays loaded: learners and their options are its code.
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    fail(ErrorKind::file,
         "--plugin {}: it cannot be loaded: {}. If it is a plug-in of patina, it was built for "
         "another one: build it against the headers that are installed with this program",
         file.string(), last_fault());
  const auto add = reinterpret_cast<AddPlugin>(::dlsym(library, "patina_plugin"));
  if (!add)
    fail(ErrorKind::usage,
         "--plugin {}: it is no plug-in of patina: it has no function patina_plugin, which "
         "PATINA_PLUGIN of patina/learners/plugin.h makes",
         file.string());
  PluginLearners learners;
  if (const char* other = add(plugin_interface().c_str(), &learners))
    fail(ErrorKind::usage,
         "--plugin {}: it was built for another patina ({}), and this one is {}: build it against "
         "the headers that are installed with this program",
         file.string(), other, plugin_interface());
  if (learners.rows().empty())
    fail(ErrorKind::usage, "--plugin {}: it adds no learner", file.string());
  for (const auto& row : learners.rows())
    if (find_learner(row.name))
      fail(ErrorKind::usage, "--plugin {}: a learner is called {} already{}: give it another name",
           file.string(), row.name,
           files.empty() ? "" : ", in patina or in a plug-in before this one");
  for (const auto& row : learners.rows()) add_learner(row);
  files.push_back(path);
}

std::vector<std::string> loaded_plugins() {
  const std::lock_guard lock(all_plugins().mutex);
  return all_plugins().files;
}

}  // namespace patina
