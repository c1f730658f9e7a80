// Weights that PyTorch's torch.save wrote (.pth, .pt, .bin, .ckpt): the zip archives of 1.6 and
// later, the pickles before, and TorchScript's archives. Nothing of a file is executed.
#pragma once

#include <span>
#include <string>

#include "patina/checkpoint/safetensors.h"

namespace patina {

/// Limits beside those of Pickle and ZipArchive.
inline constexpr size_t kMostTorchTensors = 200'000, kMostTorchDimensions = 16,
                        kLongestTorchName = 1000;
inline constexpr int kDeepestTorchNames = 32;  // dictionaries in dictionaries

/// Whether the bytes begin as a file of torch.save's.
bool is_torch_file(std::span<const uint8_t> bytes);

/// The tensors by name, as safetensors has them: contiguous, in their stored types. Those whose
/// strides are others are laid out anew, in all at most as many bytes as the file has; the rest
/// view `bytes`. Several names of the same numbers stay several.
///
/// Of a training checkpoint the dictionary of tensors is read: the only one that there is, wherever
/// it lies ("model", "state_dict.encoder"), or the one that `part` names; optimizers' states are
/// not among them. Of TorchScript, the module's tensors by their full names.
///
/// Throws Error(format) that names the file and what is wrong: a class that is none of weights, a
/// storage that is not there, too short, of a type that safetensors does not have, or big-endian, a
/// tensor beyond its storage or larger than it, several dictionaries of tensors and none asked for,
/// a part that is not there, and beyond the limits.
SafetensorsFile parse_torch_file(std::span<const uint8_t> bytes, const std::string& origin,
                                 const std::string& part = "");

}  // namespace patina
