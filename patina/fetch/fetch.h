// Files of the list, fetched: resumed where they were interrupted, checked, and in place only when
// they are whole.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "patina/base/file.h"
#include "patina/fetch/known_files.h"

namespace patina::fetch {

/// A file that is in place.
struct Fetched {
  std::string name, address;  // the address that it was asked from
  uint64_t bytes = 0;
  std::string sha256;        // of what was got
  std::string checked_with;  // "the list", "the server"; "": nothing to compare with was known
  std::string commit;        // of the hub's repository, if it told it
  bool was_there = false;    // got by an earlier call, and not changed since
};

struct FetchOptions {
  std::string token;     // of the hub
  double silent_s = 60;  // so long without a byte, and a transfer is given up
  int tries = 5;         // of a transfer that breaks off, each going on where the last one ended
  double pause_s = 1;    // before the second try, twice as long before each further one
};

/// Fetches what is missing of `what` into `folder`. A file is written as NAME.part, compared with
/// its checksum, and renamed; NAME.part stays where a transfer breaks off, and the next call goes
/// on from there if the server has the same file still. FETCHED.json in the folder says what was
/// got from where. The files of an archive are unpacked below the folder, and never elsewhere;
/// nothing is executed. Throws Error(file) with what to do: an interrupted transfer, a full disk, a
/// file that the server lacks or does not hand out, redirects without end; Error(format): a
/// checksum that differs, an archive that is none.
std::vector<Fetched> fetch(const Known& what, const fs::path& folder,
                           const FetchOptions& options = {});

/// Writes the files of an archive below `folder`. Throws Error(format) as TarArchive does: for
/// names that would lead out of it, links, and damage.
void unpack(const fs::path& archive, const fs::path& folder);

}  // namespace patina::fetch
