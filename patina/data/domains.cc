// Joined data sets; permuted and rotated images.
#include "patina/data/domains.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numbers>
#include <numeric>
#include <utility>

#include "patina/base/error.h"
#include "patina/base/random.h"
#include "patina/data/views.h"
#include "patina/image/transform.h"

namespace patina {

namespace {

// The common names of joined splits.
struct JoinedNames {
  std::vector<std::string> domains, classes;
  std::vector<std::vector<int64_t>> class_of;  // by part, then by the part's class
};

class Joined : public Source {
 public:
  Joined(std::vector<std::unique_ptr<Source>> parts, std::shared_ptr<const JoinedNames> names)
      : parts_(std::move(parts)), names_(std::move(names)) {
    for (const auto& part : parts_) ends_.push_back(size() + part->size());
  }

  int64_t size() const override { return ends_.empty() ? 0 : ends_.back(); }
  int64_t label(int64_t i) const override {
    const auto [part, own] = find(i);
    return names_->class_of[part][size_t(parts_[part]->label(own))];
  }
  bool is_text() const override { return parts_.front()->is_text(); }
  bool has_images() const override { return parts_.front()->has_images(); }
  Image image(int64_t i) const override {
    const auto [part, own] = find(i);
    return parts_[part]->image(own);
  }
  Bytes encoded_image(int64_t i) const override {
    const auto [part, own] = find(i);
    return parts_[part]->encoded_image(own);
  }
  Text text(int64_t i) const override {
    const auto [part, own] = find(i);
    return parts_[part]->text(own);
  }
  AnswerKind answer_kind() const override { return parts_.front()->answer_kind(); }
  Exchange exchange(int64_t i) const override {
    const auto [part, own] = find(i);
    return parts_[part]->exchange(own);
  }
  Fingerprint fingerprint(int64_t i) const override {
    const auto [part, own] = find(i);
    return parts_[part]->fingerprint(own);
  }
  uint64_t mark(int64_t i) const override {
    const auto [part, own] = find(i);
    return parts_[part]->mark(own);
  }
  std::string origin(int64_t i) const override {
    const auto [part, own] = find(i);
    return parts_[part]->origin(own);
  }
  const std::vector<std::string>& classes() const override { return names_->classes; }
  const std::vector<std::string>& domains() const override { return names_->domains; }
  int64_t domain(int64_t i) const override { return int64_t(find(i).first); }
  int64_t skipped() const override {
    int64_t sum = 0;
    for (const auto& part : parts_) sum += part->skipped();
    return sum;
  }

 private:
  // The part, and the sample's index in it.
  std::pair<size_t, int64_t> find(int64_t i) const {
    PATINA_REQUIRE(i >= 0 && i < size(), "sample {} of {}", i, size());
    const size_t part = size_t(std::ranges::upper_bound(ends_, i) - ends_.begin());
    return {part, i - (part == 0 ? 0 : ends_[part - 1])};
  }

  std::vector<std::unique_ptr<Source>> parts_;
  std::shared_ptr<const JoinedNames> names_;
  std::vector<int64_t> ends_;  // per part: index of the first sample after it
};

JoinedNames names_of(const std::vector<DataSplits>& parts, bool shared_classes) {
  JoinedNames names;
  std::map<std::string, int64_t> numbers;
  for (const auto& part : parts) {
    names.domains.push_back(part.name);
    auto& class_of = names.class_of.emplace_back();
    for (const auto& own : part.train->classes()) {
      const std::string name = shared_classes ? own : fmt::format("{}: {}", part.name, own);
      const auto [place, fresh] = numbers.emplace(name, int64_t(names.classes.size()));
      if (fresh) names.classes.push_back(name);
      class_of.push_back(place->second);
    }
  }
  return names;
}

// A transformation that turns the data's images into a domain.
struct Variant {
  std::string name;
  std::string how;                                                    // "": unchanged
  std::function<Image(Image image, const std::string& origin)> make;  // origin: for messages
};

class Variants : public Source {
 public:
  Variants(std::unique_ptr<Source> base, std::shared_ptr<const std::vector<Variant>> variants)
      : base_(std::move(base)), variants_(std::move(variants)) {
    for (const auto& variant : *variants_) domains_.push_back(variant.name);
  }

  int64_t size() const override { return base_->size() * int64_t(variants_->size()); }
  int64_t label(int64_t i) const override { return base_->label(i % base_->size()); }
  Image image(int64_t i) const override {
    const int64_t own = i % base_->size();
    return variant(i).make(base_->image(own), base_->origin(own));
  }
  // Combines the sample's fingerprint with the transformation's, so that nothing is decoded.
  Fingerprint fingerprint(int64_t i) const override {
    const int64_t own = i % base_->size();
    if (variant(i).how.empty()) return base_->fingerprint(own);
    ContentHash made_by;
    made_by.add(variant(i).how);
    return sample_key(made_by, *base_, own);
  }
  uint64_t mark(int64_t i) const override { return base_->mark(i % base_->size()); }
  std::string origin(int64_t i) const override {
    const std::string from = base_->origin(i % base_->size());
    return variant(i).how.empty() ? from : fmt::format("{} ({})", from, variant(i).name);
  }
  const std::vector<std::string>& classes() const override { return base_->classes(); }
  const std::vector<std::string>& domains() const override { return domains_; }
  int64_t domain(int64_t i) const override { return i / base_->size(); }
  int64_t skipped() const override { return base_->skipped(); }

 private:
  const Variant& variant(int64_t i) const { return variants_->at(size_t(domain(i))); }

  std::unique_ptr<Source> base_;
  std::shared_ptr<const std::vector<Variant>> variants_;
  std::vector<std::string> domains_;
};

// The size all images share, and the sample that set it.
struct CommonSize {
  int height = 0, width = 0;
  std::string origin;

  void check(const Image& image, const std::string& which) const {
    if (image.height != height || image.width != width)
      fail(ErrorKind::data,
           "{}: {}x{} pixels, but {} has {}x{}; data.domains = \"permuted\" needs images of one "
           "size: scale them before, or choose other domains",
           which, image.height, image.width, origin, height, width);
  }
};

std::vector<Variant> permutations(const Source& train, const DataOptions& options) {
  const Image first = train.image(0);
  const int padding = int(options.domain_padding);
  const CommonSize size{first.height, first.width, train.origin(0)};
  const int64_t area = int64_t{first.height + 2 * padding} * (first.width + 2 * padding);
  const std::string framed = padding > 0 ? fmt::format("padding {}", padding) : "";
  const auto checked = [size, padding](const Image& image, const std::string& origin) {
    size.check(image, origin);
    return padding > 0 ? pad(image, padding) : image;
  };
  std::vector<Variant> result;
  result.push_back({"permutation 0", framed, checked});
  for (int64_t d = 1; d < options.domain_count; ++d) {
    // Output pixel p is input pixel from[p].
    auto from = Seeds(uint64_t(options.domain_seed))("permutation", uint64_t(d)).permutation(area);
    result.push_back({fmt::format("permutation {}", d),
                      fmt::format("permuted, seed {}, domain {}{}{}", options.domain_seed, d,
                                  padding > 0 ? ", " : "", framed),
                      [checked, from = std::vector<int32_t>(from.begin(), from.end())](
                          Image image, const std::string& origin) {
                        image = checked(image, origin);
                        Image moved(image.height, image.width);
                        for (size_t p = 0; p < from.size(); ++p)
                          std::copy_n(&image.pixels[3 * size_t(from[p])], 3, &moved.pixels[3 * p]);
                        return moved;
                      }});
  }
  return result;
}

// Reduced to [0, 360).
double once_around(double degrees) {
  const double rest = std::fmod(degrees, 360);
  return rest < 0 ? rest + 360 : rest;
}

std::vector<Variant> rotations(const DataOptions& options) {
  std::vector<double> angles = options.angles;
  if (angles.empty())
    for (int64_t d = 0; d < options.domain_count; ++d)
      angles.push_back(180 * double(d) / double(options.domain_count));
  std::vector<Variant> result;
  for (const double angle : angles) {
    const double turn = once_around(angle);
    result.push_back(
        {fmt::format("rotated {:g} degrees", angle),
         turn == 0 ? "" : fmt::format("rotated {} degrees", turn),
         [turn](const Image& image, const std::string&) { return rotated(image, turn); }});
  }
  return result;
}

// Cosine and sine, exact where they are integers.
std::pair<double, double> direction(double degrees) {
  const double turn = once_around(degrees);
  if (turn == 0) return {1, 0};
  if (turn == 90) return {0, 1};
  if (turn == 180) return {-1, 0};
  if (turn == 270) return {0, -1};
  const double radians = turn * std::numbers::pi / 180;
  return {std::cos(radians), std::sin(radians)};
}

}  // namespace

DataSplits joined(std::vector<DataSplits> parts, bool shared_classes) {
  PATINA_REQUIRE(!parts.empty(), "nothing to join");
  for (const auto& part : parts)
    if (part.train->is_text() != parts.front().train->is_text())
      fail(ErrorKind::data,
           "{} has {}, {} has {}: texts and images cannot be joined; name sets of one kind",
           parts.front().name, parts.front().train->is_text() ? "texts" : "images", part.name,
           part.train->is_text() ? "texts" : "images");
  for (const auto& part : parts)
    if (part.train->answer_kind() != parts.front().train->answer_kind())
      fail(ErrorKind::data,
           "{} and {} have answers of different kinds and cannot be joined; name sets of one kind",
           parts.front().name, part.name);
  const auto names = std::make_shared<const JoinedNames>(names_of(parts, shared_classes));
  std::string name;
  std::vector<std::unique_ptr<Source>> train, test;
  for (auto& part : parts) {
    name += (name.empty() ? "" : "+") + part.name;
    train.push_back(std::move(part.train));
    test.push_back(std::move(part.test));
  }
  return {name, std::make_unique<Joined>(std::move(train), names),
          std::make_unique<Joined>(std::move(test), names)};
}

DataSplits varied(DataSplits data, const DataOptions& options) {
  if (data.train->is_text())
    fail(ErrorKind::data,
         "data.domains: \"{}\" domains are made of images, and {} has texts; leave it empty",
         options.domains, data.name);
  if (data.train->domains().size() > 1)
    fail(ErrorKind::data,
         "data.domains: \"{}\" domains are made of one data set, and {} has {} domains already; "
         "leave it empty",
         options.domains, data.name, data.train->domains().size());
  const auto variants = std::make_shared<const std::vector<Variant>>(
      options.domains == "permuted" ? permutations(*data.train, options) : rotations(options));
  for (auto* split : {&data.train, &data.test})
    if (*split) *split = std::make_unique<Variants>(std::move(*split), variants);
  return data;
}

Image rotated(const Image& image, double degrees) {
  const auto [cosine, sine] = direction(degrees);
  const double middle_x = (image.width - 1) / 2.0, middle_y = (image.height - 1) / 2.0;
  Image result(image.height, image.width);
  const auto pixel = [&](int64_t x, int64_t y, size_t channel) -> double {
    const bool inside = x >= 0 && x < image.width && y >= 0 && y < image.height;
    return inside ? image.row(int(y))[3 * size_t(x) + channel] : 0;
  };
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      // the source position: rotated back, y pointing down
      const double from_x = middle_x + cosine * (x - middle_x) - sine * (y - middle_y);
      const double from_y = middle_y + sine * (x - middle_x) + cosine * (y - middle_y);
      const double left = std::floor(from_x), top = std::floor(from_y);
      const double right_part = from_x - left, bottom_part = from_y - top;
      const auto u = int64_t(left), v = int64_t(top);
      for (size_t c = 0; c < 3; ++c) {
        const double above = (1 - right_part) * pixel(u, v, c) + right_part * pixel(u + 1, v, c);
        const double below =
            (1 - right_part) * pixel(u, v + 1, c) + right_part * pixel(u + 1, v + 1, c);
        result.row(y)[3 * size_t(x) + c] =
            uint8_t(std::lround((1 - bottom_part) * above + bottom_part * below));
      }
    }
  }
  return result;
}

std::vector<int64_t> drawn_of_each_domain(const Source& source, int64_t count, int64_t seed) {
  std::vector<int64_t> kept;
  if (count == 0) {
    kept.resize(size_t(source.size()));
    std::iota(kept.begin(), kept.end(), int64_t{0});
    return kept;
  }
  std::vector<std::vector<int64_t>> members(source.domains().size());
  for (int64_t i = 0; i < source.size(); ++i) members[size_t(source.domain(i))].push_back(i);
  for (size_t d = 0; d < members.size(); ++d) {
    Random random = Seeds(uint64_t(seed))("train_per_domain", d);
    random.shuffle(std::span<int64_t>(members[d]));
    const size_t drawn = std::min(members[d].size(), size_t(count));
    kept.insert(kept.end(), members[d].begin(), members[d].begin() + ptrdiff_t(drawn));
  }
  std::ranges::sort(kept);
  return kept;
}

}  // namespace patina
