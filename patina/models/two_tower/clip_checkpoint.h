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

/// The shape of an image tower by its own part of config.json. Throws Error(model) for keys that
/// are not known, and for an image that is no multiple of its patches.
ViTShape clip_image_shape(ConfigJson& config);
ViTShape siglip_image_shape(ConfigJson& config);

/// Hugging Face's names of our tower `image`, whose modules are below `theirs`.
void add_clip_image(NameTable& names, const std::string& theirs);
void add_siglip_image(NameTable& names, const std::string& theirs);
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
