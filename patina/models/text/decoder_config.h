// What the configs of LLaMA's descendants have in common.
#pragma once

#include <functional>

#include "patina/checkpoint/name_table.h"
#include "patina/models/family.h"
#include "patina/models/text/language_model.h"
#include "patina/models/text/rotary_config.h"

namespace patina {

/// What transformers takes where a family's config has no such key.
struct DecoderStandards {
  int64_t width = 4096, heads = 32, key_heads = 0;  // 0: as many as heads
  int64_t head_size = 0;                            // 0: width / heads
  int64_t hidden = 0;                               // 0: the key is needed
  int64_t depth = 32, vocabulary = 32000, longest = 2048;
  double eps = 1e-6;
  bool tied = false;
  const char* activation_key = "hidden_act";
  const char* activation = "silu";
};

/// The shape of a decoder with RMSNorm, a gated MLP and grouped keys; without biases, rotary
/// positions and windows.
LanguageShape decoder_shape(Checkpoint& checkpoint, const std::string& family,
                            const DecoderStandards& standards);

/// What its rotary positions depend on.
RotaryBasis rotary_basis(const LanguageShape& shape);

/// `layer_types`: full_attention, or sliding_attention with a window. Without the list, the blocks
/// for which `slides` is true have the window; 0: there is none.
void read_windows(ConfigJson& config, TextShape& text, int64_t window,
                  const std::function<bool(int64_t)>& slides);
/// A window of the same size in all blocks: `key`, or `standard` where it is absent.
void read_common_window(ConfigJson& config, TextShape& text, const std::string& key,
                        int64_t standard);

/// The tensor names of LLaMA and its descendants.
NameTable decoder_names();
/// The keys of their shape.
ShapeKeys decoder_keys();

/// A decoder as its config.json says it.
struct DecoderForm {
  LanguageShape shape;
  NameTable names = decoder_names();
  ShapeKeys keys = decoder_keys();
};

/// LLaMA and those of its descendants that other networks contain, too. `read` throws Error(model)
/// for keys that are not known.
struct DecoderFamily {
  const char* model_type;
  DecoderForm (*read)(Checkpoint& checkpoint);
};
const std::vector<DecoderFamily>& decoder_families();

}  // namespace patina
