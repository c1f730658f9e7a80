// What the checkpoints of two-tower networks share.
#pragma once

#include <map>
#include <string>

#include "patina/checkpoint/name_table.h"
#include "patina/models/family.h"
#include "patina/models/two_tower/clip.h"

namespace patina {

/// A frozen network with the checkpoint's weights under these names.
std::unique_ptr<Backbone> build_clip(const Checkpoint& checkpoint, const ClipShape& shape,
                                     const NameTable& names);

/// Hugging Face's names of a tower's blocks: "vision_model.encoder.layers.{}.".
void add_hugging_face_blocks(NameTable& names, const std::string& ours, const std::string& theirs);
/// OpenAI's and OpenCLIP's: "visual.transformer.resblocks.{}.".
void add_openai_blocks(NameTable& names, const std::string& ours, const std::string& theirs);

/// Writes a CLIP whose image tower is a plain ViT of timm's as a file that is a whole model:
/// tensors under OpenCLIP's names, and in the metadata open_clip_config.json and a WordPiece
/// vocabulary, whose last token ends every text.
void save_clip(Clip& model, const std::string& vocabulary, const fs::path& path, bool bf16,
               std::map<std::string, std::string> metadata = {});

}  // namespace patina
