// Images and a recipe that the program is tried on.
#pragma once

#include "patina/base/file.h"
#include "patina/base/random.h"
#include "patina/image/image.h"

namespace patina {

// Two solid-coloured classes a task, easy to tell apart: train/ and test/ folders of PNGs.
inline void write_images(const fs::path& folder, int classes, int train, int test) {
  for (int c = 0; c < classes; ++c)
    for (const auto& [split, count] : {std::pair{"train", train}, std::pair{"test", test}}) {
      const fs::path where = folder / split / ("class" + std::to_string(c));
      fs::create_directories(where);
      for (int i = 0; i < count; ++i) {
        Image image(32, 32);
        Random random = Seeds(uint64_t(c))(split, uint64_t(i));
        for (size_t at = 0; at < image.pixels.size(); ++at)
          image.pixels[at] = uint8_t(random.below(60) + (c >> (at % 3) & 1 ? 180 : 0));
        const Bytes png = encode_png(image);
        AtomicFile file(where / (std::to_string(i) + ".png"));
        file.write(png.data(), png.size());
        file.commit();
      }
    }
}

inline const char* kRecipe = R"(
[data]
name = "folder"
path = "images"
[scenario]
classes_per_task = 2
[learner]
name = "simplecil"
)";

}  // namespace patina
