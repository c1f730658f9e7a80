// Sums along a tree, and how workers share them.
#include "patina/dist/tree_sum.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "patina/base/error.h"
#include "patina/dist/membership.h"
#include "patina/dist/parted_gradient.h"
#include "patina/ops.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

// The definition: a node is the sum of its halves.
Tensor along_tree(const std::vector<Tensor>& leaves, size_t first, size_t size) {
  if (size == 1) return leaves[first];
  const size_t half = size / 2;
  const Tensor left = along_tree(leaves, first, half);
  return first + half < leaves.size() ? left + along_tree(leaves, first + half, half) : left;
}

std::vector<Tensor> some_leaves(int64_t count) {
  std::vector<Tensor> leaves;
  for (int64_t i = 0; i < count; ++i) leaves.push_back(random_tensor({37}, uint64_t(i + 1)));
  return leaves;
}

TEST(TreeSum, is_the_tree_and_not_the_sum_in_turn) {
  bool other = false;
  for (int64_t count = 1; count <= 17; ++count) {
    const auto leaves = some_leaves(count);
    size_t size = 1;
    while (size < leaves.size()) size *= 2;
    TreeSum sum(count);
    Tensor in_turn = at::zeros({37});
    for (const auto& leaf : leaves) {
      sum.add(leaf.clone());
      in_turn = in_turn + leaf;
    }
    ASSERT_EQ(sum.nodes().size(), 1u) << count;
    EXPECT_TRUE(at::equal(sum.nodes()[0].sum, along_tree(leaves, 0, size))) << count;
    other = other || !at::equal(sum.nodes()[0].sum, in_turn);
  }
  EXPECT_TRUE(other);  // otherwise this test would not see an order
}

TEST(TreeSum, of_some_leaves_keeps_few_nodes) {
  TreeSum sum(16, 5);
  for (int64_t i = 5; i < 16; ++i) sum.add(at::ones({1}));
  std::vector<std::pair<int, int64_t>> nodes;
  for (const auto& node : sum.nodes()) nodes.emplace_back(node.level, node.index);
  EXPECT_EQ(nodes, (std::vector<std::pair<int, int64_t>>{{0, 5}, {1, 3}, {3, 1}}));
}

template <class Body>
void each_worker(int size, Body body) {
  auto workers = workers_in_threads(size);
  std::vector<std::thread> threads;
  for (auto& worker : workers) threads.emplace_back([&] { body(*worker); });
  for (auto& thread : threads) thread.join();
}

TEST(TreeSum, has_the_same_bits_for_any_number_of_workers) {
  if (!workers_available()) GTEST_SKIP() << "built without Gloo";
  for (const int64_t count : {1, 3, 8, 13}) {
    const auto leaves = some_leaves(count);
    TreeSum alone(count);
    for (const auto& leaf : leaves) alone.add(leaf.clone());
    for (const int size : {1, 2, 3, 4, 5})
      each_worker(size, [&](Workers& workers) {
        const Share own = share_of(count, workers.rank(), size);
        TreeSum sum(count, own.first);
        for (int64_t i = own.first; i < own.last; ++i) sum.add(leaves[size_t(i)].clone());
        EXPECT_TRUE(at::equal(total(workers, sum, count, leaves[0]), alone.nodes()[0].sum))
            << count << " leaves, " << size << " workers";
      });
  }
}

// As many bytes as a ring: 2 (W - 1) / W of the vector.
TEST(TreeSum, sends_what_a_ring_sends) {
  if (!workers_available()) GTEST_SKIP() << "built without Gloo";
  each_worker(4, [&](Workers& workers) {
    const Share own = share_of(8, workers.rank(), 4);
    TreeSum sum(8, own.first);
    for (int64_t i = own.first; i < own.last; ++i) sum.add(at::ones({4000}));
    const int64_t before = workers.bytes_sent();
    total(workers, sum, 8, at::ones({4000}));
    EXPECT_EQ(workers.bytes_sent() - before, 2 * 3 * 4000 * 4 / 4);
  });
}

TEST(PartedGradient, tells_apart_what_no_part_reached) {
  if (!workers_available()) GTEST_SKIP() << "built without Gloo";
  each_worker(2, [&](Workers& workers) {
    const Tensor both = at::ones({2}), second = at::ones({3}), none = at::ones({1});
    PartedGradient gradient({both, second, none}, 2, &workers);
    ASSERT_EQ(gradient.own().size(), 1);
    both.mutable_grad() = at::full({2}, 1.5 + workers.rank());
    if (!workers.first()) second.mutable_grad() = at::full({3}, 4.0);
    gradient.add(0.25 + workers.rank());
    EXPECT_EQ(gradient.finish(), 1.5);
    EXPECT_TRUE(at::equal(both.grad(), at::full({2}, 4.0)));
    EXPECT_TRUE(at::equal(second.grad(), at::full({3}, 4.0)));
    EXPECT_FALSE(none.grad().defined());
  });
}

TEST(PartedGradient, is_the_same_to_rounding_where_it_is_fast) {
  if (!workers_available()) GTEST_SKIP() << "built without Gloo";
  const auto leaves = some_leaves(8);
  Tensor expected = at::zeros({37}, at::kDouble);
  for (const auto& leaf : leaves) expected += leaf.to(at::kDouble);
  each_worker(3, [&](Workers& workers) {
    const Tensor weight = at::ones({37});
    PartedGradient gradient({weight}, 8, &workers, /*fast=*/true);
    for (int64_t i = gradient.own().first; i < gradient.own().last; ++i) {
      weight.mutable_grad() = leaves[size_t(i)].clone();
      gradient.add(1);
    }
    EXPECT_EQ(gradient.finish(), 8);
    EXPECT_LT((weight.grad().to(at::kDouble) - expected).abs().max().item<double>(),
              1e-6 * expected.abs().max().item<double>() + 1e-6);
  });
}

TEST(Workers, gather_rows_of_different_numbers) {
  if (!workers_available()) GTEST_SKIP() << "built without Gloo";
  each_worker(3, [&](Workers& workers) {
    const int rank = workers.rank();
    // The second has none.
    const Tensor mine = rank == 1 ? Tensor() : at::full({1 + rank, 2}, double(rank), at::kDouble);
    const Tensor all = gather_rows(workers, mine);
    ASSERT_EQ(all.sizes(), (std::vector<int64_t>{4, 2}));
    EXPECT_TRUE(
        at::equal(all.select(1, 0), tensor_of(std::vector<int64_t>{0, 2, 2, 2}).to(at::kDouble)));
    EXPECT_FALSE(gather_rows(workers, Tensor()).defined());
    EXPECT_TRUE(any(workers, rank == 2));
    EXPECT_FALSE(any(workers, false));
    const std::vector<uint8_t> said = {1, 2, 3};
    EXPECT_EQ(broadcast_bytes(workers, rank == 0 ? said : std::vector<uint8_t>{}), said);
  });
}

TEST(Workers, say_who_lost_the_others) {
  if (!workers_available()) GTEST_SKIP() << "built without Gloo";
  auto workers = workers_in_threads(2);
  workers[1].reset();
  try {
    any(*workers[0], true);
    FAIL() << "nobody answered";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::workers);
    EXPECT_NE(std::string(error.what()).find("worker 0 of 2 lost the others"), std::string::npos);
  }
}

std::optional<Membership> told(std::map<std::string, std::string> variables) {
  return membership([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Membership, is_read_from_each_launcher) {
  EXPECT_FALSE(told({}));
  EXPECT_FALSE(
      told({{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}}));
  const auto torchrun = told({{"RANK", "1"},
                              {"WORLD_SIZE", "4"},
                              {"MASTER_ADDR", "node-0"},
                              {"MASTER_PORT", "29500"},
                              {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                              {"TORCHELASTIC_RESTART_COUNT", "2"},
                              {"SLURM_PROCID", "0"},
                              {"SLURM_NTASKS", "2"}});
  ASSERT_TRUE(torchrun);
  EXPECT_EQ(torchrun->rank, 1);
  EXPECT_EQ(torchrun->size, 4);
  EXPECT_EQ(torchrun->host, "node-0");
  EXPECT_EQ(torchrun->port, 29501);
  EXPECT_EQ(torchrun->attempt, "2");
  for (const auto& [rank, size] :
       std::map<std::string, std::string>{{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                          {"PMI_RANK", "PMI_SIZE"},
                                          {"SLURM_PROCID", "SLURM_NTASKS"}}) {
    const auto found = told({{rank, "2"}, {size, "3"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "7"}});
    ASSERT_TRUE(found) << rank;
    EXPECT_EQ(found->rank, 2);
    EXPECT_EQ(found->size, 3);
    EXPECT_EQ(found->port, 7);
  }
  const auto own = told(
      {{"PATINA_WORKER_RANK", "0"}, {"PATINA_WORKERS", "2"}, {"PATINA_WORKERS_MEET", "/tmp/m"}});
  ASSERT_TRUE(own);
  EXPECT_EQ(own->file, "/tmp/m");
}

TEST(Membership, of_a_batch_script_alone_counts_for_nothing) {
  EXPECT_FALSE(told({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}));
}

TEST(Membership, refuses_what_cannot_be) {
  const auto refused = [](std::map<std::string, std::string> variables) -> std::string {
    try {
      told(std::move(variables));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(refused({{"RANK", "4"}, {"WORLD_SIZE", "4"}}).find("ranks count from 0"),
            std::string::npos);
  EXPECT_NE(refused({{"RANK", "x"}, {"WORLD_SIZE", "4"}}).find("RANK is \"x\""), std::string::npos);
  EXPECT_NE(
      refused({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "4"}}).find("MASTER_ADDR"),
      std::string::npos);
}

}  // namespace
}  // namespace patina
