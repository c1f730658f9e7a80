// Images in memory, selections, and the checks every source shares.
#include "patina/data/pixels.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/base/progress.h"
#include "patina/base/random.h"
#include "patina/base/thread_pool.h"

namespace patina {

Pixels::Pixels(Shape shape, std::vector<File> files, std::vector<int64_t> labels,
               std::vector<std::string> classes)
    : shape_(shape),
      files_(std::move(files)),
      labels_(std::move(labels)),
      classes_(std::move(classes)) {
  int64_t images = 0;
  for (const auto& file : files_) {
    PATINA_CHECK(file.offset + file.count * shape_.stride() <= int64_t(file.bytes.size()),
                 "{} ends early", file.name);
    images += file.count;
  }
  PATINA_CHECK(images == size(), "{} images, {} labels", images, size());
}

std::pair<const Pixels::File*, int64_t> Pixels::find(int64_t i) const {
  PATINA_CHECK(i >= 0 && i < size(), "sample {} of {}", i, size());
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

namespace {

// One number for every class of every domain.
std::vector<int64_t> cells(const Source& source, int64_t value) {
  return std::vector<int64_t>(source.domains().size() * source.classes().size(), value);
}

size_t cell(const Source& source, int64_t i) {
  return size_t(source.domain(i)) * source.classes().size() + size_t(source.label(i));
}

// The first limits[cell] samples of each.
std::unique_ptr<Source> first_of_cells(std::unique_ptr<Source> source,
                                       const std::vector<int64_t>& limits) {
  std::vector<int64_t> taken = cells(*source, 0), kept;
  for (int64_t i = 0; i < source->size(); ++i) {
    const size_t at = cell(*source, i);
    if (taken[at]++ < limits[at]) kept.push_back(i);
  }
  return std::make_unique<Selection>(std::move(source), std::move(kept));
}

}  // namespace

std::unique_ptr<Source> first_of_each(std::unique_ptr<Source> source, int64_t count) {
  if (count == 0) return source;
  const auto limits = cells(*source, count);
  return first_of_cells(std::move(source), limits);
}

std::unique_ptr<Source> long_tail(std::unique_ptr<Source> source, double imbalance) {
  const size_t classes = source->classes().size();
  if (imbalance == 1 || classes < 2) return source;
  std::vector<int64_t> limits = cells(*source, 0);
  for (int64_t i = 0; i < source->size(); ++i) ++limits[cell(*source, i)];
  for (auto domain = limits.begin(); domain != limits.end(); domain += ptrdiff_t(classes)) {
    const double largest = double(*std::max_element(domain, domain + ptrdiff_t(classes)));
    for (size_t c = 0; c < classes; ++c) {
      const double share = std::pow(imbalance, double(c) / double(classes - 1));
      // What is whole but for rounding counts as whole.
      domain[ptrdiff_t(c)] =
          std::max(int64_t{1}, int64_t(std::floor(largest * share * (1 + 1e-12))));
    }
  }
  return first_of_cells(std::move(source), limits);
}

Image read_sample(const fs::path& path) {
  try {
    return read_image(path);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::format) throw;
    fail(ErrorKind::data,
         "{}; replace the file, or leave such images out with --skip-bad-images "
         "(data.skip_bad_images)",
         error.what());
  }
}

std::unique_ptr<Source> without_bad_images(std::unique_ptr<Source> source) {
  constexpr int64_t kBatch = 1024;  // the progress line moves once a batch
  const int64_t size = source->size();
  std::vector<char> good(size);
  ThreadPool pool;
  Progress progress("checking images", size, "images");
  for (int64_t start = 0; start < size; start += kBatch) {
    const int64_t batch = std::min(kBatch, size - start);
    pool.for_each(batch, [&](int64_t i) {
      try {
        source->image(start + i);
        good[start + i] = true;
      } catch (const Error&) {
        // Left out: that is what the option asks for. skipped() tells how many.
      }
    });
    progress.advance(batch);
  }
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < size; ++i)
    if (good[i]) kept.push_back(i);
  const int64_t skipped = size - int64_t(kept.size());
  if (skipped == 0) return source;
  return std::make_unique<Selection>(std::move(source), std::move(kept), skipped);
}

std::vector<char> drawn_for_test(const DataOptions& options, const std::string& name,
                                 int64_t count) {
  PATINA_CHECK(count >= 2, "{} samples to split", count);
  const int64_t tested = std::clamp(int64_t(std::llround(double(count) * options.test_fraction)),
                                    int64_t{1}, count - 1);
  const auto order = Seeds(uint64_t(options.split_seed))("split/" + name).permutation(count);
  std::vector<char> drawn(size_t(count), false);
  for (int64_t i = 0; i < tested; ++i) drawn[size_t(order[size_t(i)])] = true;
  return drawn;
}

void check_every_class(const Source& source, std::string_view what) {
  std::vector<char> met(source.classes().size());
  for (int64_t i = 0; i < source.size(); ++i) met[source.label(i)] = true;
  for (size_t c = 0; c < met.size(); ++c)
    if (!met[c])
      fail(ErrorKind::data, "{}: class \"{}\" has no {}", what, source.classes()[c],
           source.is_text() ? "texts" : "images");
}

void check_class_names(const std::vector<std::string>& names, std::string_view origin,
                       std::string_view what) {
  for (const auto& name : names) {
    if (name.empty()) fail(ErrorKind::data, "{}: a {} without a name", origin, what);
    for (const unsigned char c : name)
      if (c < 0x20 || c == 0x7f)
        fail(ErrorKind::data, "{}: a {} name holds a control character; rename it", origin, what);
    try {
      (void)Json(name).dump();  // refuses what is not UTF-8
    } catch (const Json::exception&) {
      fail(ErrorKind::data, "{}: a {} name is not UTF-8; rename it", origin, what);
    }
  }
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

fs::path find_file(const fs::path& folder, const std::string& name) {
  for (const char* end : {"", ".gz"})
    if (is_file(folder / (name + end))) return folder / (name + end);
  return {};
}

fs::path need_file(const fs::path& folder, const std::string& name) {
  fs::path found = find_file(folder, name);
  if (found.empty())
    fail(ErrorKind::data, "{}: missing (neither plain nor with .gz)", (folder / name).string());
  return found;
}

std::vector<std::vector<std::string>> read_tsv(const fs::path& path, size_t columns) {
  std::istringstream lines(read_text(path, uint64_t{1} << 26));
  std::vector<std::vector<std::string>> rows;
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, '\t');) cells.push_back(cell);
    if (cells.size() < columns)
      fail(ErrorKind::format, "{}:{}: {} columns separated by tabs, at least {} expected",
           path.string(), number, cells.size(), columns);
    rows.push_back(std::move(cells));
  }
  return rows;
}

}  // namespace patina
