// The cache of decoded images: what it keeps and counts, and what it drops when memory is full.
#include "patina/image/image_cache.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>
#include <vector>

namespace patina {
namespace {

constexpr int64_t kOne = 3 * 100 * 100;  // bytes of one image's pixels

// An image that contains its number.
Image numbered(uint64_t i) {
  Image image(100, 100);
  image.pixels[0] = uint8_t(i);
  return image;
}

uint8_t ask(ImageCache& cache, uint64_t i) {
  return cache.find({i, 0}, [&] { return numbered(i); })->pixels[0];
}

TEST(ImageCache, MakesAnImageOnce) {
  ImageCache cache(10 * kOne);
  EXPECT_TRUE(cache.keeps());
  for (int round = 0; round < 3; ++round)
    for (uint64_t i = 0; i < 4; ++i) EXPECT_EQ(ask(cache, i), i);
  EXPECT_EQ(cache.counts().decoded, 4);
  EXPECT_EQ(cache.counts().cached, 8);
  EXPECT_GE(cache.bytes(), 4 * kOne);
  EXPECT_LT(cache.bytes(), 5 * kOne);
  // Both halves of a key are compared.
  EXPECT_EQ(cache.find({3, 1}, [] { return numbered(77); })->pixels[0], 77);
}

TEST(ImageCache, OfNoBytesOnlyCounts) {
  ImageCache cache(0);
  EXPECT_FALSE(cache.keeps());
  for (int round = 0; round < 3; ++round) EXPECT_EQ(ask(cache, 5), 5);
  cache.never_needed(7);
  EXPECT_EQ(cache.counts().decoded, 3);
  EXPECT_EQ(cache.counts().cached, 0);
  EXPECT_EQ(cache.counts().never_needed, 7);
  EXPECT_EQ(cache.bytes(), 0);
}

TEST(ImageCache, AFullOneStillServesAPartOfAScan) {
  ImageCache cache(5 * kOne);  // four images and their overhead besides the pixels
  for (int round = 0; round < 10; ++round)
    for (uint64_t i = 0; i < 8; ++i) EXPECT_EQ(ask(cache, i), i);
  EXPECT_EQ(cache.counts().cached, 9 * 4) << "the same four in every round but the first";
  EXPECT_LE(cache.bytes(), 5 * kOne);
}

TEST(ImageCache, ForgetsWhatNobodyAsksForAnyMore) {
  ImageCache cache(5 * kOne);
  for (uint64_t i = 0; i < 4; ++i) ask(cache, i);
  for (int round = 0; round < 20; ++round)
    for (uint64_t i = 10; i < 14; ++i) EXPECT_EQ(ask(cache, i), i);
  const auto before = cache.counts();
  for (uint64_t i = 10; i < 14; ++i) ask(cache, i);
  EXPECT_EQ(cache.counts().decoded, before.decoded);
  ask(cache, 0);
  EXPECT_EQ(cache.counts().decoded, before.decoded + 1);
  EXPECT_LE(cache.bytes(), 5 * kOne);
}

TEST(ImageCache, AnImageLargerThanAllOfItStaysOutside) {
  ImageCache cache(kOne);
  ask(cache, 1);
  ask(cache, 1);
  EXPECT_EQ(cache.counts().decoded, 2);
  EXPECT_EQ(cache.bytes(), 0);
}

TEST(ImageCache, WhatCannotBeMadeIsNotKept) {
  ImageCache cache(5 * kOne);
  const auto fails = [&] { cache.find({1, 0}, []() -> Image { throw std::runtime_error("no"); }); };
  EXPECT_THROW(fails(), std::runtime_error);
  EXPECT_THROW(fails(), std::runtime_error);
  EXPECT_EQ(cache.counts().decoded, 0);
  EXPECT_EQ(ask(cache, 1), 1);
}

TEST(ImageCache, ServesManyThreads) {
  ImageCache cache(10 * kOne);
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 400; ++i)
        wrong[t] += ask(cache, i * (t + 1) % 20) != i * (t + 1) % 20;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
  const auto counts = cache.counts();
  EXPECT_EQ(counts.decoded + counts.cached, 4 * 400);
  EXPECT_GT(counts.cached, 0);
  EXPECT_LE(cache.bytes(), 10 * kOne);
}

}  // namespace
}  // namespace patina
