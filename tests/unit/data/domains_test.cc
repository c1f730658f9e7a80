// Data of several domains: joined sets, permuted and rotated images; and what cuts each domain by
// itself.
#include "patina/data/domains.h"

#include <set>

#include "patina/base/error.h"
#include "patina/data/views.h"
#include "patina/image/transform.h"
#include "tests/support/data_files.h"
#include "tests/support/errors.h"
#include "tests/support/toy_source.h"

namespace patina {
namespace {

using Strings = std::vector<std::string>;
using Counts = std::vector<int64_t>;

// Images in memory, all of one class.
class Shown : public Source {
 public:
  explicit Shown(std::vector<Image> images) : images_(std::move(images)) {}
  int64_t size() const override { return int64_t(images_.size()); }
  int64_t label(int64_t) const override { return 0; }
  Image image(int64_t i) const override { return images_[size_t(i)]; }
  std::string origin(int64_t i) const override { return fmt::format("shown[{}]", i); }
  const Strings& classes() const override { return classes_; }

 private:
  std::vector<Image> images_;
  Strings classes_ = {"only"};
};

DataSplits shown(std::vector<Image> train, std::vector<Image> test) {
  return {"shown", std::make_unique<Shown>(std::move(train)),
          std::make_unique<Shown>(std::move(test))};
}

// Texts in memory, all of one class.
class Said : public Source {
 public:
  explicit Said(Strings texts) : texts_(std::move(texts)) {}
  int64_t size() const override { return int64_t(texts_.size()); }
  int64_t label(int64_t) const override { return 0; }
  bool is_text() const override { return true; }
  Text text(int64_t i) const override { return {texts_[size_t(i)], ""}; }
  std::string origin(int64_t i) const override { return fmt::format("said[{}]", i); }
  const Strings& classes() const override { return classes_; }

 private:
  Strings texts_, classes_ = {"only"};
};

DataSplits said(const Strings& texts) {
  return {"said", std::make_unique<Said>(texts), std::make_unique<Said>(texts)};
}

// Pixel p is (start + p, 100 + p, 200 - p): no two alike, nor two channels.
Image ramp(int height, int width, int start = 0) {
  Image image(height, width);
  for (int p = 0; p < height * width; ++p) {
    uint8_t* pixel = &image.pixels[3 * size_t(p)];
    pixel[0] = uint8_t(start + p);
    pixel[1] = uint8_t(100 + p);
    pixel[2] = uint8_t(200 - p);
  }
  return image;
}

std::vector<uint8_t> channel(const Image& image, size_t c) {
  std::vector<uint8_t> values;
  for (size_t p = c; p < image.pixels.size(); p += 3) values.push_back(image.pixels[p]);
  return values;
}

DataOptions permuted(int64_t count, int64_t seed = 1993) {
  DataOptions options;
  options.domains = "permuted";
  options.domain_count = count;
  options.domain_seed = seed;
  return options;
}

// ---- permuted

TEST(Permuted, EachDomainMovesTheSamePixelsOfEveryImage) {
  const auto data =
      varied(shown({ramp(4, 5), ramp(4, 5, 30)}, {ramp(4, 5), ramp(4, 5, 7)}), permuted(4));
  ASSERT_EQ(data.train->size(), 8);
  EXPECT_EQ(data.train->domains(),
            (Strings{"permutation 0", "permutation 1", "permutation 2", "permutation 3"}));
  EXPECT_EQ(data.test->domains(), data.train->domains());
  std::set<std::vector<uint8_t>> seen;
  for (int64_t d = 0; d < 4; ++d) {
    EXPECT_EQ(data.train->domain(2 * d), d);
    EXPECT_EQ(data.train->domain(2 * d + 1), d);
    const Image first = data.train->image(2 * d), second = data.train->image(2 * d + 1);
    EXPECT_EQ(first.height, 4);
    EXPECT_EQ(first.width, 5);
    const auto order = channel(first, 0);  // pixel p shows where it comes from
    EXPECT_EQ(std::set<int>(order.begin(), order.end()).size(), 20u) << "a bijection";
    EXPECT_LT(*std::ranges::max_element(order), 20);
    seen.insert(order);
    for (size_t p = 0; p < order.size(); ++p) {
      EXPECT_EQ(channel(second, 0)[p], 30 + order[p]);
      EXPECT_EQ(channel(first, 1)[p], 100 + order[p]) << "the same in every channel";
      EXPECT_EQ(channel(first, 2)[p], 200 - order[p]);
    }
    EXPECT_EQ(data.test->image(2 * d).pixels, first.pixels) << "the same in both splits";
  }
  EXPECT_EQ(seen.size(), 4u) << "different in each domain";
  EXPECT_EQ(data.train->image(0).pixels, ramp(4, 5).pixels) << "the first as it is";
}

TEST(Permuted, MovesTheBlackFrameToo) {
  auto options = permuted(3);
  options.domain_padding = 2;
  const auto data = varied(shown({ramp(4, 5)}, {ramp(4, 5, 7)}), options);
  const Image framed = data.train->image(0);
  EXPECT_EQ(framed.pixels, pad(ramp(4, 5), 2).pixels);
  EXPECT_EQ(framed.height, 8);
  EXPECT_EQ(framed.width, 9);
  auto values = channel(framed, 1);
  std::ranges::sort(values);
  for (const int64_t d : {1, 2}) {
    auto moved = channel(data.train->image(d), 1);
    EXPECT_NE(moved, channel(framed, 1));
    std::ranges::sort(moved);
    EXPECT_EQ(moved, values) << "the same pixels elsewhere";
  }
}

TEST(Permuted, IsDrawnByTheSeed) {
  const auto image = [](int64_t count, int64_t seed, int64_t domain) {
    return varied(shown({ramp(4, 5)}, {ramp(4, 5)}), permuted(count, seed)).train->image(domain);
  };
  EXPECT_EQ(image(2, 1, 1).pixels, image(9, 1, 1).pixels) << "more domains change none";
  EXPECT_NE(image(2, 1, 1).pixels, image(2, 2, 1).pixels);
}

TEST(Permuted, ImagesOfAnotherSizeAreNamed) {
  const auto data = varied(shown({ramp(4, 5), ramp(5, 4)}, {ramp(2, 2)}), permuted(2));
  for (const int64_t i : {1, 3}) {
    const auto error = error_of([&] { data.train->image(i); });
    EXPECT_TRUE(contains(error, "shown[1]: 5x4 pixels, but shown[0] has 4x5")) << error;
  }
  EXPECT_TRUE(contains(error_of([&] { data.test->image(1); }), "2x2 pixels"));
  EXPECT_EQ(data.train->image(2).height, 4);
}

// ---- rotated

TEST(Rotated, IsExactByQuarters) {
  const Image image = ramp(3, 3);
  const auto turned = [&](double degrees) { return channel(rotated(image, degrees), 0); };
  EXPECT_EQ(rotated(image, 0).pixels, image.pixels);
  EXPECT_EQ(rotated(image, -360).pixels, image.pixels);
  EXPECT_EQ(turned(90), (std::vector<uint8_t>{2, 5, 8, 1, 4, 7, 0, 3, 6})) << "counter-clockwise";
  EXPECT_EQ(turned(-270), turned(90));
  EXPECT_EQ(turned(180), (std::vector<uint8_t>{8, 7, 6, 5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(turned(270), (std::vector<uint8_t>{6, 3, 0, 7, 4, 1, 8, 5, 2}));
  EXPECT_EQ(channel(rotated(image, 90), 2)[0], 198) << "every channel";
  EXPECT_EQ(channel(rotated(ramp(2, 2), 90), 0), (std::vector<uint8_t>{1, 3, 0, 2}));
}

TEST(Rotated, IsBilinearWithBlackBeyondTheEdges) {
  // The middle row of 1x3 stays in place; a quarter turn takes its ends out of the frame.
  Image line(1, 3);
  std::ranges::fill(line.pixels, uint8_t(90));
  EXPECT_EQ(channel(rotated(line, 90), 0), (std::vector<uint8_t>{0, 90, 0}));
  // The corner of a white 3x3 comes from an axis, 2^(1/2) from the centre and so 2^(1/2) - 1 beyond
  // the last pixel: that much of it is black.
  Image white(3, 3);
  std::ranges::fill(white.pixels, uint8_t(255));
  const auto turned = channel(rotated(white, 45), 0);
  EXPECT_EQ(turned[4], 255);
  EXPECT_EQ(turned[0], 149) << "255 (2 - 2^(1/2))";
  EXPECT_EQ(turned[1], 255) << "an edge's middle comes from inside";
}

TEST(Rotated, DomainsAreTheAngles) {
  DataOptions options;
  options.domains = "rotated";
  const auto ten = varied(shown({ramp(3, 3)}, {ramp(3, 3)}), options);
  ASSERT_EQ(ten.train->domains().size(), 10u);
  EXPECT_EQ(ten.train->domains()[0], "rotated 0 degrees");
  EXPECT_EQ(ten.train->domains()[9], "rotated 162 degrees");
  EXPECT_EQ(ten.train->image(9).pixels, rotated(ramp(3, 3), 162).pixels);

  options.angles = {90, -7.5};
  const auto two = varied(shown({ramp(3, 3), ramp(2, 4)}, {ramp(3, 3)}), options);
  EXPECT_EQ(two.train->domains(), (Strings{"rotated 90 degrees", "rotated -7.5 degrees"}));
  ASSERT_EQ(two.train->size(), 4);
  EXPECT_EQ(two.train->image(0).pixels, rotated(ramp(3, 3), 90).pixels);
  EXPECT_EQ(two.train->image(3).pixels, rotated(ramp(2, 4), -7.5).pixels);
  EXPECT_NE(two.train->image(3).pixels, two.train->image(1).pixels);
  EXPECT_EQ(two.test->domain(1), 1);
  EXPECT_EQ(two.train->origin(1), "shown[1] (rotated 90 degrees)");
}

// ---- fingerprints

TEST(Varied, FingerprintsTellDomainsApartWithoutDecoding) {
  const ToySource base(2, 3, 1);
  const auto prints = [&](const DataOptions& options) {
    const auto data = varied(toy_data(2, 3, 1), options);
    std::vector<Fingerprint> result;
    for (int64_t i = 0; i < data.train->size(); ++i) result.push_back(data.train->fingerprint(i));
    return result;
  };
  DataOptions turned;
  turned.domains = "rotated";
  turned.angles = {30, 0, 60};
  const auto moved = prints(permuted(3)), again = prints(permuted(3, 4)), angled = prints(turned);
  for (int64_t i = 0; i < base.size(); ++i) {
    EXPECT_EQ(moved[size_t(i)], base.fingerprint(i));
    EXPECT_EQ(angled[size_t(i + base.size())], base.fingerprint(i));
  }
  std::set<Fingerprint> all(moved.begin(), moved.end());
  all.insert(angled.begin(), angled.end());
  all.insert(again.begin(), again.end());
  EXPECT_EQ(all.size(), 6u + 2 * 6 + 2 * 6 + 2 * 6);
  turned.angles = {-330};
  EXPECT_EQ(prints(turned)[0], angled[0]) << "the same image";
  turned.angles = {};
  turned.domain_count = 6;
  EXPECT_EQ(prints(turned)[6], angled[0]) << "30 degrees, whatever the list";
}

TEST(Varied, RefusesTextsAndOtherDomains) {
  EXPECT_TRUE(contains(error_of([] { varied(said({"a"}), permuted(2)); }),
                       "\"permuted\" domains are made of images, and said has texts"));
  EXPECT_TRUE(
      contains(error_of([] { varied(varied(toy_data(2, 2, 2), permuted(2)), permuted(2)); }),
               "toy has 2 domains already"));
}

// ---- joined

// A set of toy images under class names of its own, `per_class` of each.
DataSplits named(const std::string& name, const Strings& classes, int64_t per_class) {
  class Named : public ToySource {
   public:
    Named(std::string name, Strings classes, int64_t per_class, uint64_t seed)
        : ToySource(int64_t(classes.size()), per_class, seed),
          name_(std::move(name)),
          classes_(std::move(classes)) {}
    std::string origin(int64_t i) const override { return fmt::format("{}[{}]", name_, i); }
    const Strings& classes() const override { return classes_; }
    int64_t skipped() const override { return 2; }

   private:
    std::string name_;
    Strings classes_;
  };
  const auto split = [&](uint64_t seed) {
    return std::make_unique<Named>(name, classes, per_class, seed);
  };
  return {name, split(name.size()), split(100 + name.size())};
}

DataSplits join_two(bool shared_classes) {
  std::vector<DataSplits> parts;
  parts.push_back(named("one", {"b", "a"}, 2));
  parts.push_back(named("three", {"c", "a", "d"}, 1));
  return joined(std::move(parts), shared_classes);
}

TEST(Joined, ClassesOfOneNameAreOneClass) {
  const auto data = join_two(true);
  EXPECT_EQ(data.name, "one+three");
  const Source& train = *data.train;
  EXPECT_EQ(train.classes(), (Strings{"b", "a", "c", "d"}));
  EXPECT_EQ(data.test->classes(), train.classes());
  EXPECT_EQ(train.domains(), (Strings{"one", "three"}));
  ASSERT_EQ(train.size(), 7);
  Counts labels, domains;
  for (int64_t i = 0; i < 7; ++i) {
    labels.push_back(train.label(i));
    domains.push_back(train.domain(i));
  }
  EXPECT_EQ(labels, (Counts{0, 1, 0, 1, 2, 1, 3}));
  EXPECT_EQ(domains, (Counts{0, 0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(train.origin(3), "one[3]");
  EXPECT_EQ(train.origin(5), "three[1]");
  EXPECT_EQ(train.image(5).pixels, named("three", {"c", "a", "d"}, 1).train->image(1).pixels);
  EXPECT_EQ(train.fingerprint(5), named("three", {"c", "a", "d"}, 1).train->fingerprint(1));
  EXPECT_EQ(train.skipped(), 4);
  EXPECT_FALSE(train.is_text());
}

TEST(Joined, ClassesAreKeptApart) {
  const auto data = join_two(false);
  EXPECT_EQ(data.train->classes(),
            (Strings{"one: b", "one: a", "three: c", "three: a", "three: d"}));
  EXPECT_EQ(count_domains(*data.train), (std::vector<Counts>{{2, 2, 0, 0, 0}, {0, 0, 1, 1, 1}}));
  EXPECT_EQ(data.test->label(5), 3);
}

TEST(Joined, TextsAndImagesDoNotMix) {
  const auto join = [](DataSplits one, DataSplits other) {
    std::vector<DataSplits> parts;
    parts.push_back(std::move(one));
    parts.push_back(std::move(other));
    return joined(std::move(parts), true);
  };
  const auto error = error_of([&] { join(named("n", {"a"}, 1), said({"a"})); });
  EXPECT_TRUE(contains(error, "n has images, said has texts: texts and images cannot be joined"));
  const auto texts = join(said({"a", "b"}), said({"c", "d"}));
  EXPECT_TRUE(texts.train->is_text());
  EXPECT_EQ(texts.train->text(3).first, "d");
}

TEST(Selection, KeepsDomains) {
  const auto all = std::make_shared<const ToySource>(2, 2);
  const Selection plain(all, {3, 0});
  EXPECT_EQ(plain.domains(), (Strings{""}));
  const std::shared_ptr<const Source> both = std::move(join_two(true).train);
  const Selection some(both, {6, 0, 4});
  EXPECT_EQ(some.domains(), both->domains());
  EXPECT_EQ((Counts{some.domain(0), some.domain(1), some.domain(2)}), (Counts{1, 0, 1}));
}

// ---- what cuts a domain

TEST(LongTail, FallsExponentially) {
  const auto counts = [](int64_t classes, int64_t each, double imbalance) {
    return count_labels(*long_tail(std::make_unique<ToySource>(classes, each), imbalance));
  };
  EXPECT_EQ(counts(3, 100, 0.01), (Counts{100, 10, 1}));
  EXPECT_EQ(counts(5, 500, 0.1), (Counts{500, 281, 158, 88, 50})) << "500 * 0.1^(c/4)";
  EXPECT_EQ(counts(3, 20, 0.001), (Counts{20, 1, 1})) << "rounded down, at least one";
  EXPECT_EQ(counts(2, 100, 0.29), (Counts{100, 29})) << "100 * 0.29 is 28.999... in doubles";
  EXPECT_EQ(counts(3, 7, 1), (Counts{7, 7, 7}));
  EXPECT_EQ(counts(1, 7, 0.1), (Counts{7}));

  const auto tail = long_tail(std::make_unique<ToySource>(2, 10), 0.2);
  EXPECT_EQ(tail->origin(tail->size() - 1), "toy[18]");
  EXPECT_EQ(tail->origin(3), "toy[3]") << "the first ones, in file order";
}

TEST(LongTail, CutsEachDomain) {
  std::vector<DataSplits> parts;
  parts.push_back(named("one", {"a", "b", "c"}, 16));
  parts.push_back(named("three", {"a", "b", "c"}, 4));
  auto data = joined(std::move(parts), true);
  EXPECT_EQ(count_domains(*long_tail(std::move(data.train), 0.25)),
            (std::vector<Counts>{{16, 8, 4}, {4, 2, 1}}));
}

TEST(TrainPerDomain, DrawsOtherSamplesOfEachDomain) {
  auto data = varied(toy_data(4, 25, 5), permuted(3));
  const auto draw = [&](int64_t count, int64_t seed) {
    const std::shared_ptr<const Source> all = varied(toy_data(4, 25, 5), permuted(3)).train;
    return std::make_unique<Selection>(all, drawn_of_each_domain(*all, count, seed));
  };
  const auto members = [](const Source& source, int64_t domain) {
    Counts numbers;  // in the domain's own 100 samples
    for (int64_t i = 0; i < source.size(); ++i)
      if (source.domain(i) == domain)
        numbers.push_back(std::stoll(source.origin(i).substr(4)));  // "toy[17] (...)"
    return numbers;
  };
  const auto drawn = draw(30, 1);
  ASSERT_EQ(drawn->size(), 90);
  EXPECT_EQ(drawn->domains().size(), 3u);
  std::set<Counts> different;
  for (int64_t d = 0; d < 3; ++d) {
    const auto numbers = members(*drawn, d);
    EXPECT_EQ(std::set(numbers.begin(), numbers.end()).size(), 30u) << "without replacement";
    EXPECT_TRUE(std::ranges::is_sorted(numbers));
    EXPECT_EQ(numbers, members(*draw(30, 1), d));
    different.insert(numbers);
    Counts classes(4);
    for (const int64_t i : numbers) ++classes[size_t(i % 4)];
    EXPECT_NE(classes, Counts(4, 7)) << "whatever the class";
  }
  EXPECT_EQ(different.size(), 3u);
  EXPECT_NE(members(*draw(30, 2), 0), members(*drawn, 0));
  EXPECT_EQ(draw(101, 1)->size(), 300) << "all of a domain that has no more";
  EXPECT_EQ(draw(0, 1)->size(), 300);
}

}  // namespace
}  // namespace patina
