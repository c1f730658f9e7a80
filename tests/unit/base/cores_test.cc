// The number of cores: affinity masks, and quotas of control groups as Linux writes them.
#include "patina/base/cores.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <cmath>

#include "patina/base/file.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

class Quota : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    make_folder((root / path).parent_path());
    write_text(root / path, text);
  }

  fs::path root = scratch_folder("quota");
};

TEST_F(Quota, IsNothingWithoutAFile) {
  EXPECT_EQ(cpu_quota(root), std::nullopt);
  write("proc/self/cgroup", "");
  EXPECT_EQ(cpu_quota(root), std::nullopt);
  write("proc/self/cgroup", "no colons\n0:one\n0::/a\n");
  EXPECT_EQ(cpu_quota(root), std::nullopt);
}

TEST_F(Quota, OfAContainerIsAtTheTop) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/cpu.max", "250000 100000\n");
  EXPECT_EQ(cpu_quota(root), 2.5);
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(root), std::nullopt);
}

TEST_F(Quota, IsTheLeastOfAllGroupsAbove) {
  write("proc/self/cgroup", "0::/slice/service\n");
  write("sys/fs/cgroup/slice/cpu.max", "150000 100000\n");
  write("sys/fs/cgroup/slice/service/cpu.max", "400000 100000\n");
  EXPECT_EQ(cpu_quota(root), 1.5);
  write("sys/fs/cgroup/slice/service/cpu.max", "50000 100000\n");
  EXPECT_EQ(cpu_quota(root), 0.5);
}

TEST_F(Quota, OfTheOlderHierarchy) {
  write("proc/self/cgroup", "5:memory:/box\n4:cpu,cpuacct:/box\n3:cpuset:/box\n");
  write("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "300000\n");
  write("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root), 3);
  write("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(cpu_quota(root), std::nullopt);
  write("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "300000\n");
  write("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "0\n");
  EXPECT_EQ(cpu_quota(root), std::nullopt);
}

TEST(Cores, AreThoseOfTheMaskAndTheQuota) {
  cpu_set_t all, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  const int most = CPU_COUNT(&all);
  EXPECT_EQ(usable_cores(), cpu_quota() ? std::min(most, int(std::ceil(*cpu_quota()))) : most);
  int core = 0;
  while (!CPU_ISSET(core, &all)) ++core;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_cores(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof all, &all), 0);
}

}  // namespace
}  // namespace patina
