// `patina serve`: a model that keeps learning, over HTTP.

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <optional>

#include "apps/patina/artefacts.h"
#include "apps/patina/commands.h"
#include "apps/patina/listening.h"
#include "patina/base/error.h"
#include "patina/serve/service.h"

namespace patina::cli {

namespace {

struct ServeArguments {
  ArtefactArguments artefact;
  serve::ServiceOptions service;
  bool no_learn = false;
  int64_t body_mb = 32, image_pixels = serve::SampleLimits().image_pixels;
};

void log_line(std::string_view text) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::fprintf(stderr, "patina: %.*s\n", int(text.size()), text.data());
}

void serve_artefact(ServeArguments arguments) {
  serve::ServiceOptions& options = arguments.service;
  const fs::path file = artefact_file(arguments.artefact.file);
  options.token = token_or_environment(options.token);
  if (options.name.empty())
    options.name = file.filename() == kRunArtefact && file.has_parent_path()
                       ? fs::absolute(file).parent_path().filename().string()
                       : file.stem().string();
  options.learns = !arguments.no_learn;
  options.limits.body_bytes = uint64_t(arguments.body_mb) << 20;
  options.limits.bodies_bytes =
      std::max(options.limits.bodies_bytes, 2 * options.limits.body_bytes);
  options.samples.image_pixels = arguments.image_pixels;
  options.log = log_line;
  stop_on_signals(
      "stopping: what was accepted is answered, learned and saved; once more ends at once");
  std::optional<FileLock> lock;
  if (options.learns)
    lock.emplace(file, said_by_holder("a `patina serve` writes it",
                                      "teach it through that server, stop that, or serve with "
                                      "--no-learn"));
  serve::Service service(open_artefact(arguments.artefact), file, options);
  listen_until_stopped("serving " + options.name, options.host, service.port());
  service.stop();
}

}  // namespace

void add_serve(Command& program) {
  auto arguments = std::make_shared<ServeArguments>();
  auto& service = arguments->service;
  const auto command =
      program.command("serve", "Serve an artefact over HTTP; it goes on learning meanwhile");
  add_artefact(command, arguments->artefact);
  add_engine(command, arguments->artefact.engine);
  add_address(command, service, "Requests must show it (Authorization: Bearer TOKEN)");
  command.option("--name", service.name, "Name of the model in requests (default: the file's)");
  command.flag("--no-learn", arguments->no_learn,
               "Refuse to learn and to forget; the file is not written");
  command.option("--max-batch", service.batches.max_batch, "Samples or prompts computed at once")
      .range(1, 4096)
      .shows_default();
  command
      .option("--max-wait-ms", service.batches.max_wait_ms,
              "How long a request may wait for others to be computed with")
      .between(0, 10000)
      .shows_default();
  command
      .option("--queue", service.batches.capacity,
              "Samples or prompts that may wait; further requests are answered 429")
      .range(1, 1e6)
      .shows_default();
  command
      .option("--learn-queue", service.lessons.capacity,
              "Requests to learn that may wait; further ones are answered 429")
      .range(1, 1e6)
      .shows_default();
  command
      .option("--save-after-s", service.lessons.save_after_s,
              "The file is saved so long after something new was learned; until then the "
              "journal has it")
      .between(0, 86400)
      .shows_default();
  command.option("--max-connections", service.limits.connections, "Connections at a time")
      .range(1, 10000)
      .shows_default();
  command.option("--max-body-mb", arguments->body_mb, "Largest body of a request, in MiB")
      .range(1, 1024)
      .shows_default();
  command.option("--max-image-pixels", arguments->image_pixels, "Largest image, in pixels")
      .range(1, double(kMostPixels))
      .shows_default();
  command
      .option("--message-s", service.limits.message_s,
              "Seconds that a request may take to arrive, beside 1 s for every 16 KiB")
      .between(1, 3600)
      .shows_default();
  command.footer("example: patina serve pets.patina --port 8080");
  command.action([arguments] { serve_artefact(*arguments); });
}

}  // namespace patina::cli
