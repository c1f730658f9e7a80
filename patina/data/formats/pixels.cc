#include "patina/data/formats/pixels.h"

#include "patina/base/error.h"

namespace patina {

Pixels::Pixels(Shape shape, std::vector<File> files, std::vector<int64_t> labels,
               std::vector<std::string> classes)
    : shape_(shape),
      files_(std::move(files)),
      labels_(std::move(labels)),
      classes_(std::move(classes)) {
  int64_t images = 0;
  for (const auto& file : files_) {
    PATINA_REQUIRE(file.offset + file.count * shape_.stride() <= int64_t(file.bytes.size()),
                   "{} ends early", file.name);
    images += file.count;
  }
  PATINA_REQUIRE(images == size(), "{} images, {} labels", images, size());
}

std::pair<const Pixels::File*, int64_t> Pixels::find(int64_t i) const {
  PATINA_REQUIRE(i >= 0 && i < size(), "sample {} of {}", i, size());
  const File* file = files_.data();
  for (; i >= file->count; ++file) i -= file->count;
  return {file, i};
}

std::span<const uint8_t> Pixels::bytes(int64_t i) const {
  const auto [file, place] = find(i);
  return std::span(file->bytes)
      .subspan(size_t(file->offset + place * shape_.stride() + shape_.before),
               size_t(shape_.stride() - shape_.before));
}

Fingerprint Pixels::fingerprint(int64_t i) const {
  const auto in = bytes(i);
  ContentHash hash;
  hash.add(fmt::format("pixels {}x{} {}", shape_.height, shape_.width, int(shape_.layout)));
  hash.add(in.data(), in.size());
  return hash.words();
}

Image Pixels::image(int64_t i) const {
  const auto in = bytes(i);
  Image image(shape_.height, shape_.width);
  const size_t area = size_t(shape_.height) * shape_.width;
  const size_t plane = shape_.layout == Layout::grey ? 0 : area;
  for (size_t p = 0; p < area; ++p)
    for (size_t c = 0; c < 3; ++c) image.pixels[3 * p + c] = in[c * plane + p];
  return image;
}

std::string Pixels::origin(int64_t i) const {
  const auto [file, place] = find(i);
  return fmt::format("{}[{}]", file->name, place);
}

}  // namespace patina
