// BERT encoders in one file.
#pragma once

#include <map>

#include "patina/models/text/language_model.h"

namespace patina {

/// Writes a BERT without its heads as a file that is a whole model: tensors under BertModel's
/// names, and in the metadata config.json, vocab.txt and the pooling.
void save_bert(LanguageModel& model, const std::string& vocabulary, const fs::path& path, bool bf16,
               std::map<std::string, std::string> metadata = {});

}  // namespace patina
