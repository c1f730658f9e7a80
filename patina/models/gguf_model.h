// Language models in GGUF files, opened as if they were Hugging Face folders.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "patina/checkpoint/gguf.h"
#include "patina/models/family.h"
#include "patina/text/tokenizer.h"

namespace patina {

/// The config and the weights of a file under Hugging Face's names; quantized weights become fp32.
/// Architectures: llama (Mistral, too), qwen2, qwen3, phi3, gemma2, gemma3. Throws Error(model) for
/// another one, and for settings and tensors that are not known to mean what the network computes.
Checkpoint gguf_checkpoint(const GgufFile& file);

/// The tokenizer of a file. Throws Error(format).
std::unique_ptr<Tokenizer> gguf_tokenizer(const GgufFile& file);

/// What llama.cpp calls a family.
struct GgufArchitecture {
  const char* name;
  const char* model_type;    // of config.json
  bool interleaves = false;  // rows of queries and keys stand in the order of LLaMA's own rotary
                             // positions
  bool gemma = false;        // norms hold 1 + weight, and blocks have four of them
  int64_t wide_at = 0;       // with this many blocks, scores are divided by sqrt(D/H), not sqrt(d)
};
/// By config.json's model_type; nothing if such files are not known.
std::optional<GgufArchitecture> gguf_architecture(const std::string& model_type);

/// Whether a file is GGUF, by its first bytes.
bool is_gguf(const fs::path& path);

}  // namespace patina
