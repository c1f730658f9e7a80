// What timm's names of architectures say beyond their tensors.
#pragma once

#include <string>

#include "patina/models/catalog.h"

namespace patina {

/// Heads, activation and rotary positions of a ViT by its architecture's name
/// ("vit_so400m_patch14_siglip_224"); what the name does not say is not told.
ViTFacts timm_architecture(const std::string& name, const SafetensorsFile& file);

}  // namespace patina
