// How a network is stored: what it takes to write it, or a change of it, so that other programs of
// its family read it.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "patina/checkpoint/name_table.h"

namespace patina {

/// Metadata that make one file a whole model: config.json, a WordPiece vocabulary, how a sentence
/// encoder pools (models/text/sentence.h), and the numbers of blocks that were inserted.
namespace whole_model {
inline constexpr const char *kConfig = "config.json", *kVocabulary = "vocab.txt",
                            *kSentence = "sentence", *kInserted = "inserted_blocks";
}

/// The keys under which a family's config.json says how many blocks there are and of what shape;
/// "": there is no such key.
struct ShapeKeys {
  std::string depth = {}, heads = {}, key_heads = {}, head_size = {}, hidden = {};
  std::string windows = {};  // a list of which blocks see a window
};

struct StoredForm {
  NameTable names = {};     // the family's names of its tensors
  std::string prefix = {};  // what `@` stands for in the file that was read
  std::string task = {};    // PEFT's word for what the network does: "CAUSAL_LM"; "": none
  std::string head = {};    // the family's linear classifier over features; "": it has none
  bool head_bias = false;   // whether that has a bias
  ShapeKeys shape = {};     // of a family whose networks can grow

  /// Whether class tokens and positions are stored with the batch's dimension, [1,T,D].
  bool batched = false;
  /// What the tensors do not tell, for the metadata of a file that is written (a ViT of timm's).
  std::map<std::string, std::string> facts = {};

  std::map<std::string, std::string> metadata = {};  // of the file that was read

  /// The folder with the files that belong to the weights (config.json, the tokenizer's), or those
  /// files themselves by name, where there is no folder.
  std::filesystem::path folder = {};
  std::map<std::string, std::string> files = {};
};

}  // namespace patina
