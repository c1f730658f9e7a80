// Language models in GGUF files, opened as if they were Hugging Face folders.
#pragma once

#include <memory>

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

/// Whether a file is GGUF, by its first bytes.
bool is_gguf(const fs::path& path);

}  // namespace patina
