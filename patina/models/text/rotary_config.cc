#include "patina/models/text/rotary_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "patina/base/error.h"

namespace patina {

namespace {

using Frequencies = std::vector<double>;

constexpr double kTurn = 2 * std::numbers::pi;

// theta^(-2i/c) for the pairs i of c channels.
Frequencies of_base(double theta, int64_t channels) {
  Frequencies all(size_t(channels / 2));
  for (size_t i = 0; i < all.size(); ++i)
    all[i] = std::pow(theta, -2 * double(i) / double(channels));
  return all;
}

/// One description: the keys of `rope`, on the basis of the rest of the config.
class Reading {
 public:
  Reading(ConfigJson& config, ConfigJson& rope, RotaryBasis& basis)
      : config_(config), rope_(rope), basis_(basis) {
    rotary_.theta = rope.number("rope_theta", basis.theta);
    config.skip({"original_max_position_embeddings"});  // the scalings that need it read it
    read_channels();
  }

  nn::Rotary rotary() {
    // Older files say "type". Where both are there, the newer key counts, as in transformers.
    const std::string older = rope_.word("type", "default");
    const std::string type = rope_.word("rope_type", older);
    const auto row = std::ranges::find(kTypes, type, &Type::name);
    const auto& own = basis_.scalings;
    if (row == kTypes.end() || (!own.empty() && std::count(own.begin(), own.end(), type) == 0))
      refuse("rope_type = \"{}\" is not supported; {} {}", type,
             own.empty() ? "patina has" : "the family has", names());
    (this->*row->read)();
    rope_.finish();
    const auto finite = [](double x) { return std::isfinite(x); };
    if (!std::ranges::all_of(rotary_.frequencies, finite) ||
        !std::ranges::all_of(rotary_.beyond, finite) || !finite(rotary_.magnitude))
      refuse("the values of {} give frequencies that are not finite", type);
    return std::move(rotary_);
  }

 private:
  struct Type {
    std::string_view name;
    void (Reading::*read)();
  };
  static const std::array<Type, 7> kTypes;

  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail(ErrorKind::model, "{}: {}", rope_.origin(),
         fmt::format(text, std::forward<Args>(args)...));
  }

  std::string names() const {
    std::string all;
    const auto add = [&](std::string_view name) {
      all += fmt::format("{}{}", all.empty() ? "" : ", ", name);
    };
    for (const char* name : basis_.scalings) add(name);
    if (basis_.scalings.empty())
      for (const Type& type : kTypes) add(type.name);
    return all;
  }

  void read_channels() {
    channels_ = basis_.head_size;
    const double part =
        rope_.number("partial_rotary_factor", config_.number("partial_rotary_factor", 1));
    if (part == 1) return;
    if (!basis_.partial || part > 1)
      refuse("partial_rotary_factor = {} is not supported, only 1", part);
    channels_ = int64_t(double(basis_.head_size) * part);
    if (channels_ < 2 || channels_ % 2 != 0)
      refuse("partial_rotary_factor = {} turns {} of a head's {} channels; an even number can turn",
             part, channels_, basis_.head_size);
    rotary_.channels = channels_;
  }

  // The length that the network was trained for before it was stretched. transformers prefers what
  // stands beside the description.
  int64_t original() {
    const std::string key = "original_max_position_embeddings";
    const int64_t inside = rope_.size(key, basis_.longest);
    const int64_t beside = config_.size(key, inside);
    return basis_.original > 0 ? basis_.original : beside;
  }

  void standard() {}

  // Position interpolation (Chen et al., 2023).
  void linear() {
    const double factor = rope_.number("factor");
    rotary_.frequencies = of_base(rotary_.theta, channels_);
    for (double& x : rotary_.frequencies) x /= factor;
  }

  // The base grows with the text.
  void dynamic() {
    rotary_.growth = rope_.number("factor");
    rotary_.trained = basis_.longest;
    if (channels_ <= 2) refuse("dynamic needs heads with more than 2 channels that turn");
    if (rotary_.growth < 1) refuse("factor = {} is below 1", rotary_.growth);
    reach(rotary_.growth * double(basis_.longest));
  }

  // YaRN (Peng et al., ICLR 2024): pairs that turn more than `beta_fast` times in the original
  // length stay, those that turn less than `beta_slow` times are interpolated, and a ramp joins
  // both.
  void yarn() {
    const double factor = rope_.number("factor"), length = double(original());
    if (rotary_.theta <= 1) refuse("yarn needs a rope_theta above 1, not {}", rotary_.theta);
    const auto pair_of = [&](double turns) {  // the one that turns so often
      return double(channels_) * std::log(length / (turns * kTurn)) / (2 * std::log(rotary_.theta));
    };
    double low = pair_of(rope_.number("beta_fast", 32));
    double high = pair_of(rope_.number("beta_slow", 1));
    if (rope_.flag("truncate", true)) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0);
    high = std::min(high, double(channels_ - 1));
    if (low == high) high += 0.001;
    rotary_.frequencies = of_base(rotary_.theta, channels_);
    for (size_t i = 0; i < rotary_.frequencies.size(); ++i) {
      const double slow = std::clamp((double(i) - low) / (high - low), 0.0, 1.0);
      rotary_.frequencies[i] *= slow / factor + (1 - slow);
    }
    const auto magnitude = [&](double scale) {
      return factor <= 1 ? 1 : 0.1 * scale * std::log(factor) + 1;
    };
    const double scale = rope_.number("mscale", 1), all = rope_.number("mscale_all_dim", 1);
    const bool both = rope_.has("mscale") && rope_.has("mscale_all_dim");
    rotary_.magnitude =
        rope_.number("attention_factor", both ? magnitude(scale) / magnitude(all) : magnitude(1));
    reach(factor * length);
  }

  // LLaMA 3.1: pairs whose waves are shorter than the original length / high_freq_factor stay,
  // those longer than length / low_freq_factor are interpolated, and between them both are mixed.
  void llama3() {
    const double factor = rope_.number("factor"), length = double(original());
    const double low = rope_.number("low_freq_factor"), high = rope_.number("high_freq_factor");
    if (high <= low) refuse("high_freq_factor = {} is not above low_freq_factor = {}", high, low);
    rotary_.frequencies = of_base(rotary_.theta, channels_);
    for (double& x : rotary_.frequencies) {
      const double waves = length * x / kTurn;  // within the original length
      const double kept = std::clamp((waves - low) / (high - low), 0.0, 1.0);
      x *= kept + (1 - kept) / factor;
    }
  }

  // LongRoPE (Ding et al., ICML 2024): a divisor for each pair, others for texts beyond the
  // original length.
  void longrope() {
    const double length = double(original());
    const double factor = rope_.number("factor", double(basis_.longest) / length);
    rotary_.magnitude = rope_.number(
        "attention_factor", factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(length)));
    rotary_.trained = int64_t(length);
    rotary_.frequencies = divided("short_factor");
    rotary_.beyond = divided("long_factor");
    if (rotary_.beyond == rotary_.frequencies) rotary_.beyond.clear(), rotary_.trained = 0;
  }

  Frequencies divided(const std::string& key) {
    const Frequencies divisors = rope_.numbers(key);
    Frequencies all = of_base(rotary_.theta, channels_);
    if (divisors.size() != all.size())
      refuse("{} has {} numbers; a head has {} pairs of channels that turn", key, divisors.size(),
             all.size());
    for (size_t i = 0; i < all.size(); ++i) {
      if (divisors[i] <= 0) refuse("{} has {}, which is not above 0", key, divisors[i]);
      all[i] /= divisors[i];
    }
    return all;
  }

  void reach(double length) {
    constexpr double kLongest = 1 << 30;
    basis_.longest = std::max(basis_.longest, int64_t(std::min(length, kLongest)));
  }

  ConfigJson &config_, &rope_;
  RotaryBasis& basis_;
  nn::Rotary rotary_;
  int64_t channels_ = 0;  // that turn
};

const std::array<Reading::Type, 7> Reading::kTypes{{{"default", &Reading::standard},
                                                    {"linear", &Reading::linear},
                                                    {"dynamic", &Reading::dynamic},
                                                    {"yarn", &Reading::yarn},
                                                    {"llama3", &Reading::llama3},
                                                    {"longrope", &Reading::longrope},
                                                    {"su", &Reading::longrope}}};

}  // namespace

nn::Rotary read_rotary(ConfigJson& config, ConfigJson& rope, RotaryBasis& basis) {
  return Reading(config, rope, basis).rotary();
}

nn::Rotary read_rotary(ConfigJson& config, RotaryBasis& basis) {
  const bool scaled = config.has("rope_scaling");
  if (scaled && config.has("rope_parameters"))
    fail(ErrorKind::model,
         "{}: rope_scaling and rope_parameters both describe the rotary positions; remove one",
         config.origin());
  basis.theta = config.number("rope_theta", basis.theta);
  ConfigJson rope = config.part(scaled ? "rope_scaling" : "rope_parameters");
  return read_rotary(config, rope, basis);
}

}  // namespace patina
