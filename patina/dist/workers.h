// Workers: processes that do one run together.
//
// Every worker holds the whole learner and makes the same calls in the same order, so whatever is
// not shared out is done by all of them alike and needs no message. What costs most is shared out:
// the parts of a gradient step, and the batches of an evaluation or a feature extraction. Who
// computes a part has no influence on its bits, and parts are put together in an order that does
// not depend on the number of workers. So neither do a run's results.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "patina/tensor.h"

namespace patina {

/// The workers of a run, as one of them sees them. A function returns once all workers have called
/// it. It throws Error(workers) if another one is gone or does not answer in time.
class Workers {
 public:
  virtual ~Workers() = default;

  virtual int rank() const = 0;  // of this worker, from 0
  virtual int size() const = 0;  // how many there are
  bool first() const { return rank() == 0; }

  /// Every worker's tensor, in the order of ranks: [size,...]. All have the same shape and type.
  virtual Tensor gather(const Tensor& mine) = 0;
  /// Sends parts of the vector `mine`, of lengths `to`, to the workers in order; returns what they
  /// sent to this one, of lengths `from`, one behind the other.
  virtual Tensor exchange(const Tensor& mine, const std::vector<int64_t>& to,
                          const std::vector<int64_t>& from) = 0;
  /// Overwrites the tensor with the first worker's, which has the same shape and type.
  virtual void broadcast(Tensor& tensor) = 0;
  /// The sum over all workers, added in an order of the library's choice. Overwrites the tensor.
  virtual void add_up(Tensor& tensor) = 0;

  /// Bytes that this worker has sent so far, as the algorithms above count them.
  int64_t bytes_sent() const { return bytes_sent_; }

 protected:
  int64_t bytes_sent_ = 0;
};

/// Whether any worker says so.
bool any(Workers& workers, bool mine);

/// The rows of all workers, one below the other: [n_r,...] -> [sum of n_r,...]. The numbers of rows
/// may differ; a worker without any passes an undefined tensor. Undefined if nobody has any.
Tensor gather_rows(Workers& workers, const Tensor& mine);

/// The first worker's bytes.
std::vector<uint8_t> broadcast_bytes(Workers& workers, std::span<const uint8_t> bytes);

/// The part [first, last) of `items` that a worker does.
struct Share {
  int64_t first = 0, last = 0;
  int64_t size() const { return last - first; }
};
Share share_of(int64_t items, int rank, int size);

}  // namespace patina
