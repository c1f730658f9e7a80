// LoRA in GGUF files, as llama.cpp's converter writes them: what patina learned runs in every
// program on llama.cpp (--lora adapter.gguf).
#pragma once

#include <filesystem>
#include <memory>

#include "patina/adapt/lora.h"
#include "patina/checkpoint/gguf.h"
#include "patina/models/backbone.h"

namespace patina {

inline constexpr const char* kGgufAdapter = "adapter.gguf";

/// Throws Error(model) for a network of a family that llama.cpp's files do not have.
void write_gguf_adapter(const std::filesystem::path& path, const adapt::Lora& lora,
                        const Backbone& network);
/// The LoRA of such a file for a network. Throws Error(model) where they do not fit together.
std::unique_ptr<adapt::Lora> gguf_lora(const GgufFile& file, const Backbone& network);

}  // namespace patina
