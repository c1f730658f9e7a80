#include "patina/models/two_tower/kept_rows.h"

#include <algorithm>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "patina/checkpoint/load.h"
#include "patina/ops.h"
#include "patina/version.h"

namespace patina {

Tensor content_keys(const Tensor& rows) {
  const Tensor host = on_host(rows.detach()).contiguous();
  Tensor keys = at::empty({host.size(0), 2}, at::kLong);
  int64_t* key = host_items(keys).data();
  const size_t bytes = host.size(0) > 0 ? host.nbytes() / size_t(host.size(0)) : 0;
  const auto* row = static_cast<const char*>(host.data_ptr());
  for (int64_t i = 0; i < host.size(0); ++i, row += bytes) {
    ContentHash hash;
    hash.add(row, bytes);
    const auto words = hash.words();
    std::ranges::copy(words, key + 2 * i);
  }
  return keys;
}

Firsts firsts_of(const Tensor& keys) {
  const Tensor host = keys.contiguous();
  const int64_t* key = host_items(host).data();
  Firsts found;
  std::map<std::pair<int64_t, int64_t>, int64_t> places;
  for (int64_t row = 0; row < host.size(0); ++row) {
    const auto [place, is_new] =
        places.emplace(std::pair(key[2 * row], key[2 * row + 1]), int64_t(found.rows.size()));
    if (is_new) found.rows.push_back(row);
    found.which.push_back(place->second);
  }
  return found;
}

Tensor KeptRows::operator()(const Backbone& network, const std::vector<nn::NamedTensor>& part,
                            const std::string& what, const Shape& shape, const Tensor& rows,
                            const std::function<Tensor(const Tensor&)>& compute) const {
  const auto made = [&](const Tensor& some) { return compute(some).to(at::kFloat); };
  // A network lends its cache to readers; what the cache has is no part of the network's state.
  auto* cache = const_cast<FeatureCache*>(network.cache());
  const bool learns = rows.requires_grad() || std::ranges::any_of(part, [](const auto& item) {
                        return item.tensor.requires_grad();
                      });
  if (!cache || learns) {
    if (cache) cache->passed_by(rows.size(0));
    return made(rows);
  }
  const std::string weights = weights_hash_(part, [&] {
    NoGrad no_grad;
    Shape one = rows.sizes().vec();
    one[0] = 1;
    const Tensor sample = on_host(made(at::zeros(one, rows.options()))).contiguous();
    ContentHash hash;
    hash.add(content_hash(part));
    hash.add(sample.data_ptr(), sample.nbytes());
    return hash.hex();
  });
  ContentHash space;
  space.add(fmt::format("{} {} {} {} {} {} {} {}", what, weights, network.about(), kVersion,
                        libtorch_version(), tensor_threads(), network.engine().text(),
                        network.place().text()));
  const Tensor keys = content_keys(rows);
  const int64_t width = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies());
  Tensor known = at::empty({rows.size(0), width});  // on the host, like the cache
  const Tensor missing = tensor_of(cache->find(space.hex(), keys, known));
  if (missing.numel() > 0) {
    const auto [first, which] = firsts_of(keys.index_select(0, missing));
    const Tensor computed = missing.index_select(0, tensor_of(first));
    const bool all = computed.size(0) == rows.size(0);
    const Tensor fresh = made(all ? rows : rows.index_select(0, on(rows.device(), computed)));
    const Tensor flat = on_host(fresh.detach()).flatten(1).contiguous();
    cache->add(space.hex(), keys.index_select(0, computed), flat);
    if (all) return fresh;
    known.index_copy_(0, missing, flat.index_select(0, tensor_of(which)));
  }
  Shape whole = shape;
  whole.insert(whole.begin(), rows.size(0));
  return on(rows.device(), known).reshape(whole);
}

}  // namespace patina
