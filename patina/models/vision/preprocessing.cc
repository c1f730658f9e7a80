#include "patina/models/vision/preprocessing.h"

#include <cmath>

#include <fmt/ranges.h>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/base/work.h"
#include "patina/image/transform.h"

namespace patina {

namespace {

// A size is a number, {"height", "width"} or {"shortest_edge"}.
int64_t side(ConfigJson& config, const std::string& key) {
  if (!config.has(key)) return 0;
  if (!parse_json(config.text(), config.origin()).at(key).is_object()) return config.side(key);
  ConfigJson size = config.part(key);
  if (size.has("shortest_edge")) return size.size("shortest_edge");
  const int64_t height = size.size("height"), width = size.size("width");
  if (height != width)
    fail(ErrorKind::model, "{}: {} x {} pixels are no square", size.origin(), height, width);
  return height;
}

std::string filter_of(ConfigJson& config) {
  // Pillow's numbers.
  constexpr int64_t kBilinear = 2, kBicubic = 3;
  const int64_t filter = config.count("resample", kBicubic);
  if (filter == kBilinear) return "bilinear";
  if (filter == kBicubic) return "bicubic";
  fail(ErrorKind::model, "{}: resample = {} is not supported, only 2 (bilinear) and 3 (bicubic)",
       config.origin(), filter);
}

void read(ConfigJson config, bool asked, Preprocessing& told) {
  told.interpolation = filter_of(config);
  told.size = side(config, config.flag("do_center_crop", false) ? "crop_size" : "size");
  const double scale = config.number("rescale_factor", 1.0 / 255);
  if (std::abs(scale * 255 - 1) > 1e-3)
    fail(ErrorKind::model, "{}: rescale_factor = {} is not supported, only 1/255", config.origin(),
         scale);
  if (asked) return;
  if (!config.flag("do_normalize", true)) {
    told.normalize = "unit";
    return;
  }
  const auto mean = config.numbers("image_mean"), deviation = config.numbers("image_std");
  if (mean.empty() && deviation.empty()) return;
  told.normalize = normalization_name(mean, deviation);
  if (told.normalize.empty())
    fail(ErrorKind::model,
         "{}: image_mean = [{}] and image_std = [{}] are not a normalisation that patina has: set "
         "model.normalize",
         config.origin(), fmt::join(mean, ", "), fmt::join(deviation, ", "));
}

}  // namespace

Preprocessing preprocessing(const Checkpoint& checkpoint, const std::string& usual) {
  Preprocessing told{.normalize = checkpoint.normalize};
  if (checkpoint.preprocessor) read(*checkpoint.preprocessor, !checkpoint.normalize.empty(), told);
  if (told.normalize.empty()) told.normalize = usual;
  if (told.normalize.empty()) {
    told.normalize = "imagenet";
    warn(
        fmt::format("{}: no preprocessor_config.json tells how its pixels were normalised; "
                    "ImageNet's mean and deviation are assumed (model.normalize)",
                    checkpoint.origin));
  }
  return told;
}

}  // namespace patina
