// Shared by the commands that use an artefact: its option, and the samples to learn or predict.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/patina/command.h"
#include "patina/base/file_lock.h"
#include "patina/checkpoint/artefact_file.h"
#include "patina/data/formats/instructions.h"
#include "patina/data/source.h"
#include "patina/session/session.h"

namespace patina::cli {

struct ArtefactArguments {
  std::string file, backbone;
  EngineOptions engine;
};

void add_artefact(const Command& command, ArtefactArguments& arguments);
/// How it computes: --device and --precision.
void add_engine(const Command& command, EngineOptions& engine);
/// Whether a path is an artefact (*.patina) or the folder of a run with one.
bool is_artefact(const std::string& path);
Session open_artefact(const ArtefactArguments& arguments);
/// What others are told while this process holds the FileLock of an artefact that it writes: "`who`
/// (process N): `remedy`".
std::string said_by_holder(const std::string& who, const std::string& remedy);

/// All images of the given files and folders (searched recursively, sorted), as one class.
std::shared_ptr<const Source> images_of_class(const std::string& name,
                                              const std::vector<std::string>& paths);
/// A folder with one subfolder of images per class, or with such a folder named `split`.
std::shared_ptr<const Source> images_by_class(const std::string& folder, const std::string& split);
/// The keys of records: --instruction, --input, and --answer.
void add_record_keys(const Command& command, InstructionFields& keys, bool answered);
/// Whether a file's name says that it holds texts to answer or to model: .jsonl, .json, .txt, also
/// with .gz.
bool holds_texts(const std::string& file);
/// Instructions with answers (.jsonl, .json), or plain text to be modelled (.txt).
std::shared_ptr<const Source> answered_texts(const std::string& file,
                                             const InstructionFields& keys);
/// Each of `given` is a file of prompts (records in .jsonl or .json, lines in .txt), "-" for
/// standard input as one prompt, or a prompt itself.
std::shared_ptr<const Source> prompts_of(const std::vector<std::string>& given,
                                         InstructionFields keys);
/// A file of texts with their labels.
std::shared_ptr<const Source> texts_by_class(const std::string& file, const std::string& text,
                                             const std::string& label);

}  // namespace patina::cli
