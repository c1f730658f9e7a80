// Workers over c10d, the library under PyTorch's torch.distributed.
#include <numeric>

#include "patina/base/error.h"
#include "patina/dist/membership.h"

#ifdef PATINA_GLOO
#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO  // of LibTorch's header
#endif
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

namespace patina {

#ifdef PATINA_GLOO

namespace {

std::string first_line(const char* text) {
  const std::string_view all = text;
  return std::string(all.substr(0, all.find('\n')));
}

class GlooWorkers : public Workers {
 public:
  GlooWorkers(const c10::intrusive_ptr<c10d::Store>& store, const Membership& membership)
      : rank_(membership.rank), size_(membership.size) {
    told([&] {
      auto options = c10d::ProcessGroupGloo::Options::create();
      options->timeout = std::chrono::seconds(membership.timeout_s);
      options->devices.push_back(
          !membership.interface.empty()
              ? c10d::ProcessGroupGloo::createDeviceForInterface(membership.interface)
          : membership.host.empty() ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                    : c10d::ProcessGroupGloo::createDefaultDevice());
      group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank_, size_, options);
    });
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  Tensor gather(const Tensor& mine) override {
    std::vector<Tensor> sent = {mine.to(at::kCPU).contiguous()};
    auto shape = mine.sizes().vec();
    shape.insert(shape.begin(), size_);
    Tensor received = at::empty(shape, sent[0].options());
    std::vector<std::vector<Tensor>> all = {received.unbind()};
    told([&] { group_->allgather(all, sent)->wait(); });
    bytes_sent_ += int64_t(sent[0].nbytes()) * (size_ - 1);
    return received;
  }

  Tensor exchange(const Tensor& mine, const std::vector<int64_t>& to,
                  const std::vector<int64_t>& from) override {
    Tensor sent = mine.to(at::kCPU).contiguous();
    Tensor received =
        at::empty({std::accumulate(from.begin(), from.end(), int64_t{0})}, sent.options());
    // The call takes them away.
    std::vector<int64_t> lengths = from, sizes = to;
    told([&] { group_->alltoall_base(received, sent, lengths, sizes)->wait(); });
    bytes_sent_ += (sent.numel() - to[size_t(rank_)]) * int64_t(sent.element_size());
    return received;
  }

  void broadcast(Tensor& tensor) override {
    std::vector<Tensor> one = {tensor.to(at::kCPU).contiguous()};
    told([&] { group_->broadcast(one)->wait(); });
    tensor.copy_(one[0]);
    if (first()) bytes_sent_ += int64_t(tensor.nbytes());
  }

  void add_up(Tensor& tensor) override {
    std::vector<Tensor> one = {tensor.to(at::kCPU).contiguous()};
    told([&] { group_->allreduce(one)->wait(); });
    tensor.copy_(one[0]);
    bytes_sent_ += 2 * int64_t(tensor.nbytes()) * (size_ - 1) / size_;
  }

 private:
  // Calls `body`, whose errors are those of sockets.
  template <class Body>
  void told(Body&& body) const {
    try {
      body();
    } catch (const std::exception& error) {
      fail(ErrorKind::workers,
           "worker {} of {} lost the others ({}): one has ended or cannot be reached; start the "
           "run again with --resume",
           rank_, size_, first_line(error.what()));
    }
  }

  int rank_, size_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

c10::intrusive_ptr<c10d::Store> meet(const Membership& membership) try {
  if (!membership.file.empty())
    return c10::make_intrusive<c10d::FileStore>(membership.file, membership.size);
  c10d::TCPStoreOptions options;
  options.port = uint16_t(membership.port);
  options.isServer = membership.rank == 0;
  options.numWorkers = size_t(membership.size);
  options.timeout = std::chrono::seconds(membership.timeout_s);
  auto store = c10::make_intrusive<c10d::TCPStore>(membership.host, options);
  return c10::make_intrusive<c10d::PrefixStore>(membership.attempt, store);
} catch (const std::exception& error) {
  fail(ErrorKind::workers, "worker {} of {} did not meet the others{} within {} seconds: {}",
       membership.rank, membership.size,
       membership.file.empty() ? fmt::format(" at {}:{}", membership.host, membership.port) : "",
       membership.timeout_s, first_line(error.what()));
}

}  // namespace

bool workers_available() {
  return true;
}

std::unique_ptr<Workers> join(const Membership& membership) {
  return std::make_unique<GlooWorkers>(meet(membership), membership);
}

std::vector<std::unique_ptr<Workers>> workers_in_threads(int size) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::unique_ptr<Workers>> all(static_cast<size_t>(size));
  std::vector<std::thread> joining;  // each waits for the others
  for (int rank = 0; rank < size; ++rank)
    joining.emplace_back([&, rank] {
      all[size_t(rank)] =
          std::make_unique<GlooWorkers>(store, Membership{.rank = rank, .size = size});
    });
  for (auto& thread : joining) thread.join();
  return all;
}

#else

bool workers_available() {
  return false;
}

std::unique_ptr<Workers> join(const Membership&) {
  fail(ErrorKind::usage,
       "this patina was built without workers: it needs Gloo's headers (on Debian libgloo-dev) "
       "beside the LibTorch it is built with");
}

std::vector<std::unique_ptr<Workers>> workers_in_threads(int) {
  join({});
  return {};
}

#endif

}  // namespace patina
