// Products with weights that stay in blocks, compared with the same products of their floats.
#include "patina/kernels/stored_weight.h"

#include <gtest/gtest.h>

#include "patina/kernels/isa.h"
#include "patina/kernels/tiles.h"
#include "patina/kernels/weight_tiles.h"
#include "patina/ops.h"
#include "tests/support/gguf_writing.h"
#include "tests/support/tensors.h"

namespace patina::kernels {
namespace {

StoredWeight stored(std::vector<WeightForm::Piece> pieces, int64_t width, uint64_t seed = 1) {
  Random random = Seeds(seed)("stored");
  std::vector<uint8_t> bytes;
  for (const auto& [type, rows] : pieces) {
    const auto more = random_blocks(type, rows * width / block_format(type).numbers, random);
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  Tensor all = at::empty({int64_t(bytes.size())}, at::kByte);
  std::ranges::copy(bytes, all.data_ptr<uint8_t>());
  return {all, {std::move(pieces), width}};
}

std::string name_of(BlockType type) {
  return block_type_name(uint32_t(type));
}

// gguf_test compares `dequantize` with gguf-py's numbers.
TEST(Unpack, GivesTheNumbersOfDequantizeInEveryInstructionSet) {
  Random random = Seeds(1)("blocks");
  for (const auto type : stored_types()) {
    const BlockFormat& format = block_format(type);
    constexpr int64_t kCount = 37;
    const auto blocks = random_blocks(type, kCount, random);
    std::vector<float> wanted(size_t(kCount * format.numbers));
    dequantize(type, blocks, wanted);
    const auto equal = [&](auto unpack, const char* set) {
      std::vector<float> numbers(wanted.size());
      unpack(type, blocks.data(), kCount, numbers.data());
      EXPECT_EQ(numbers, wanted) << name_of(type) << " " << set;
    };
    equal(kernels::unpack, "chosen");
    if (isa() >= Isa::avx2) equal(unpack_blocks_avx2, "avx2");
    if (isa() >= Isa::avx512) equal(unpack_blocks_avx512, "avx512");
  }
}

TEST(StoredWeight, GivesItsRowsAndParts) {
  const auto weight =
      stored({{BlockType::q4_k, 5}, {BlockType::q8_0, 4}, {BlockType::bf16, 3}}, 512);
  EXPECT_EQ(weight.form.rows(), 12);
  EXPECT_EQ(weight.form.text(), "Q4_K, Q8_0, BF16");
  EXPECT_EQ(weight.bytes.numel(), 5 * 2 * 144 + 4 * 16 * 34 + 3 * 1024);
  const Tensor all = weight.floats();
  std::vector<float> first(512);
  dequantize(BlockType::q4_k, {weight.bytes.data_ptr<uint8_t>(), 288}, first);
  EXPECT_EQ(std::vector<float>(all.data_ptr<float>(), all.data_ptr<float>() + 512), first);
  const auto part = weight.part(3, 10);
  EXPECT_EQ(part.form.text(), "Q4_K, Q8_0, BF16");
  EXPECT_EQ(part.form.rows(), 7);
  EXPECT_TRUE(at::equal(part.floats(), all.slice(0, 3, 10)));
  const Tensor ids = tensor_of(std::vector<int64_t>{11, 0, 4, 4}).view({2, 2});
  EXPECT_TRUE(at::equal(weight.rows_of(ids), at::embedding(all, ids)));
}

struct Size {
  int64_t m, n, k;
};

// All types at sizes with remainders: few rows, many, and one panel more than fits at once.
TEST(StoredWeight, MultipliesAsItsFloatsDo) {
  for (const auto type : stored_types())
    for (const auto& [m, n, k] :
         {Size{1, 5, 256}, Size{33, 70, 512}, Size{70, 1, 256}, Size{40, 1100, 1024}}) {
      if (m == 40 && type != BlockType::q4_1 && type != BlockType::q6_k) continue;
      const auto weight = stored({{type, n}}, k);
      const Tensor floats = weight.floats(), bias = random_tensor({n}, 2);
      const Tensor rows = random_tensor({m, k}, 3), more = random_tensor({m, n}, 4),
                   gradients = random_tensor({m, n}, 5);
      for (const auto precision : {at::kFloat, at::kBFloat16})
        for (const auto activation : {Activation::none, Activation::silu})
          for (const bool adds : {false, true}) {
            const auto run = [&](auto multiply) {
              Tensor x = rows.clone().requires_grad_(), add = more.clone().requires_grad_();
              const Tensor y = multiply(x, LinearEnd{activation, adds ? add : Tensor(), true});
              y.backward(gradients);
              return std::vector<Tensor>{y.detach(), x.grad(), adds ? add.grad() : y.detach()};
            };
            const auto packed = std::make_shared<const PackedWeight>(floats, bias, precision);
            const auto wanted = run([&](const Tensor& x, const LinearEnd& end) {
              return linear(x, floats, bias, end, packed);
            });
            const auto got = run([&](const Tensor& x, const LinearEnd& end) {
              return linear(x, weight, bias, end, precision);
            });
            for (size_t i = 0; i < wanted.size(); ++i)
              EXPECT_TRUE(at::equal(got[i], wanted[i]))
                  << name_of(type) << " " << m << " " << n << " " << k << ": " << i;
          }
    }
}

// In one thread's part of a batch no other thread helps.
TEST(StoredWeight, GivesTheSameBitsOnOneThread) {
  const auto weight = stored({{BlockType::q4_1, 300}, {BlockType::q8_0, 150}}, 512);
  for (const int64_t m : {7, 90}) {
    const Tensor x = random_tensor({m, 512}, 3), together = linear(x, weight, {}, {}, at::kFloat);
    std::vector<Tensor> alone(2);
    in_parallel(2, 1, [&](int64_t from, int64_t end) {
      NoGrad no_grad;
      for (int64_t i = from; i < end; ++i) alone[size_t(i)] = linear(x, weight, {}, {}, at::kFloat);
    });
    EXPECT_TRUE(at::equal(alone[0], together));
    EXPECT_TRUE(at::equal(alone[1], together));
    // A row's bits do not depend on the batch.
    EXPECT_TRUE(
        at::equal(linear(x.slice(0, 2, 4), weight, {}, {}, at::kFloat), together.slice(0, 2, 4)));
  }
}

// Rows and columns that fill their tiles, and some that do not.
TEST(StoredWeight, InTilesGivesTheBitsOfItsRows) {
  for (const auto& [m, n, k] : {Size{1, 64, 96}, Size{40, 500, 500}, Size{33, 700, 250}}) {
    const auto rows = stored({{BlockType::bf16, n}}, k), tiles = in_tiles(rows);
    ASSERT_NE(tiles.bytes.data_ptr(), rows.bytes.data_ptr());
    EXPECT_EQ(tiles.bytes.numel(), 2 * round_up(n, 32) * round_up(k, 32));
    EXPECT_EQ(in_tiles(tiles).bytes.data_ptr(), tiles.bytes.data_ptr());
    EXPECT_EQ(tiles.form.text(), "BF16");
    const Tensor floats = rows.floats();
    EXPECT_TRUE(at::equal(tiles.floats(), floats));
    const Tensor ids = tensor_of(std::vector<int64_t>{n - 1, 0, 3, 3});
    EXPECT_TRUE(at::equal(tiles.rows_of(ids), at::embedding(floats, ids)));
    for (const int64_t from : {int64_t{0}, int64_t{3}, n / 32 * 32, n / 32 * 32 / 2})
      for (const int64_t to : {n, (n + from + 1) / 2})
        if (from < to) {
          EXPECT_TRUE(at::equal(tiles.part(from, to).floats(), floats.slice(0, from, to)))
              << n << ": " << from << " " << to;
        }
    const Tensor bias = random_tensor({n}, 2), gradients = random_tensor({m, n}, 5);
    for (const auto precision : {at::kFloat, at::kBFloat16}) {
      const auto run = [&](const StoredWeight& weight) {
        Tensor x = random_tensor({m, k}, 3).requires_grad_();
        const Tensor y = linear(x, weight, bias, {Activation::silu, {}, true}, precision);
        y.backward(gradients);
        return std::vector<Tensor>{y.detach(), x.grad()};
      };
      const auto wanted = run(rows), got = run(tiles);
      for (size_t i = 0; i < wanted.size(); ++i)
        EXPECT_TRUE(at::equal(got[i], wanted[i])) << m << " " << n << " " << k << ": " << i;
    }
  }
  // One that is only in part of bf16 stays as it is, and one whose tiles would be much larger.
  for (const auto& other : {stored({{BlockType::bf16, 32}, {BlockType::f16, 32}}, 64),
                            stored({{BlockType::bf16, 5}}, 640)})
    EXPECT_EQ(in_tiles(other).bytes.data_ptr(), other.bytes.data_ptr());
}

// So many rows that the gradient is a sum of several products.
TEST(StoredWeight, SumsTheGradientOfManyRows) {
  const auto weight = stored({{BlockType::q4_0, 9001}}, 288);
  const Tensor floats = weight.floats(), gradients = random_tensor({45, 9001}, 5);
  for (const auto precision : {at::kFloat, at::kBFloat16}) {
    Tensor x = random_tensor({45, 288}, 3).requires_grad_();
    linear(x, weight, {}, {.wide = true}, precision).backward(gradients);
    const Tensor wanted = gradients.matmul(floats);
    EXPECT_LT(((x.grad().to(at::kFloat) - wanted).norm() / wanted.norm()).item<double>(),
              precision == at::kFloat ? 2e-6 : 0.02);
  }
}

TEST(StoredWeight, TheGradientOfABiasIsTheSum) {
  const auto weight = stored({{BlockType::q5_1, 33}}, 64);
  Tensor bias = random_tensor({33}, 1).requires_grad_();
  const Tensor gradients = random_tensor({50, 33}, 5);
  linear(random_tensor({50, 64}, 3), weight, bias, {}, at::kFloat).backward(gradients);
  EXPECT_LT(relative_error(bias.grad(), gradients.sum(0)), 1e-6);
}

}  // namespace
}  // namespace patina::kernels
