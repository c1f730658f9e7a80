// The journal: what was acknowledged is there after any end of the process, once.
#include "patina/serve/journal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <sstream>
#include <thread>

#include "patina/base/error.h"
#include "patina/serve/http.h"
#include "patina/serve/lessons.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina::serve {
namespace {

JournalEntry entry(const std::string& key, std::vector<std::string> blobs = {}) {
  return {.key = key, .request = "{\"learn\":\"" + key + "\"}", .blobs = std::move(blobs)};
}

std::vector<std::string> keys_of(const std::vector<JournalEntry>& entries) {
  std::vector<std::string> keys;
  for (const auto& one : entries) keys.push_back(one.key);
  return keys;
}

using Keys = std::vector<std::string>;

TEST(Journal, GivesBackWhatTheArtefactDoesNotHave) {
  const fs::path path = scratch_folder("journal") / "a.journal";
  std::string mark;
  {
    Journal journal(path, "");
    EXPECT_TRUE(journal.pending().empty());
    EXPECT_EQ(journal.append(entry("a", {"one", std::string("\0\n", 2), ""})), 1u);
    EXPECT_EQ(journal.append(entry("b")), 2u);
    mark = journal.mark(1);
  }
  {
    Journal journal(path, mark.substr(0, mark.find(':')) + ":0");
    ASSERT_EQ(keys_of(journal.pending()), (Keys{"a", "b"}));
    EXPECT_EQ(journal.pending()[0].blobs, (Keys{"one", std::string("\0\n", 2), ""}));
    EXPECT_EQ(journal.pending()[0].request, "{\"learn\":\"a\"}");
    EXPECT_EQ(journal.pending()[1].sequence, 2u);
  }
  // The artefact was saved after the first, and the process ended before the journal was shortened.
  Journal journal(path, mark);
  EXPECT_EQ(keys_of(journal.pending()), (Keys{"b"}));
  EXPECT_EQ(journal.find("a"), 1u) << "sent again, it is not learned again";
  EXPECT_EQ(journal.append(entry("c")), 3u);
}

TEST(Journal, IsShortenedOnceTheArtefactHasIt) {
  const fs::path path = scratch_folder("journal") / "a.journal";
  std::string mark;
  {
    Journal journal(path, "");
    journal.append(entry("a", {std::string(100000, 'x')}));
    journal.append(entry("b", {"kept"}));
    mark = journal.mark(1);
    const uint64_t before = journal.bytes();
    journal.saved(1);
    EXPECT_LT(journal.bytes(), before - 100000);
    EXPECT_EQ(fs::file_size(path), journal.bytes());
    EXPECT_EQ(journal.mark(1), mark) << "it is the same journal";
    EXPECT_EQ(journal.append(entry("c")), 3u);
    EXPECT_EQ(journal.find("a"), 1u);
  }
  {
    Journal journal(path, mark);
    EXPECT_EQ(keys_of(journal.pending()), (Keys{"b", "c"}));
    EXPECT_EQ(journal.pending()[0].blobs, Keys{"kept"});
    EXPECT_EQ(journal.find("a"), 1u) << "keys outlive their entries";
    journal.saved(3);
    mark = journal.mark(3);
  }
  Journal journal(path, mark);
  EXPECT_TRUE(journal.pending().empty());
  EXPECT_EQ(journal.append(entry("d")), 4u) << "numbers are not used again";
  EXPECT_EQ(journal.find("c"), 3u);
}

TEST(Journal, CutAtAnyByteItHasTheWholeEntriesBeforeThat) {
  const fs::path folder = scratch_folder("journal"), path = folder / "a.journal";
  std::vector<uint64_t> ends;
  std::string mark;
  {
    Journal journal(path, "");
    ends.push_back(journal.bytes());
    for (const char* key : {"a", "b", "c"}) {
      journal.append(entry(key, {key, "sample"}));
      ends.push_back(journal.bytes());
    }
    mark = journal.mark(0);
  }
  const std::string whole = read_text(path);
  ASSERT_EQ(whole.size(), ends.back());
  const Keys all = {"a", "b", "c"};
  const fs::path cut = folder / "cut.journal";
  for (size_t size = 0; size <= whole.size(); ++size) {
    write_text(cut, whole.substr(0, size));
    if (size < ends[0]) {  // the first record is written with the file: no crash leaves this
      EXPECT_TRUE(contains(error_of(ErrorKind::state, [&] { Journal(cut, mark); }), "damaged"))
          << size;
      continue;
    }
    const auto entries = size_t(std::ranges::upper_bound(ends, size) - ends.begin()) - 1;
    {
      Journal journal(cut, mark);
      EXPECT_EQ(keys_of(journal.pending()), Keys(all.begin(), all.begin() + long(entries))) << size;
      EXPECT_EQ(journal.cut(), size - ends[entries]);
      EXPECT_EQ(journal.append(entry("next")), entries + 1);
    }
    Keys then(all.begin(), all.begin() + long(entries));
    then.push_back("next");
    EXPECT_EQ(keys_of(Journal(cut, mark).pending()), then) << size;
  }
}

// Zeros behind the last entry: a file system may make a file longer before it writes into it.
TEST(Journal, ATailOfZerosIsCutOff) {
  const fs::path path = scratch_folder("journal") / "a.journal";
  std::string mark;
  {
    Journal journal(path, "");
    journal.append(entry("a"));
    mark = journal.mark(0);
  }
  write_text(path, read_text(path) + std::string(5000, '\0'));
  Journal journal(path, mark);
  EXPECT_EQ(keys_of(journal.pending()), Keys{"a"});
  EXPECT_EQ(journal.cut(), 5000u);
}

// A bit that changed in the middle is no half-written end: nothing may be dropped in silence.
TEST(Journal, DamageInTheMiddleIsAnError) {
  const fs::path path = scratch_folder("journal") / "a.journal";
  uint64_t first = 0, second = 0;
  std::string mark;
  {
    Journal journal(path, "");
    first = journal.bytes();
    journal.append(entry("a", {"sample"}));
    second = journal.bytes();
    journal.append(entry("b"));
    mark = journal.mark(0);
  }
  const std::string whole = read_text(path);
  for (uint64_t at = first; at < second; ++at) {
    std::string damaged = whole;
    damaged[at] = char(damaged[at] ^ 0x10);
    write_text(path, damaged);
    EXPECT_TRUE(contains(error_of(ErrorKind::state, [&] { Journal(path, mark); }),
                         "is damaged, and others follow it"))
        << at;
  }
}

TEST(Journal, OfAnotherArtefactIsRefused) {
  const fs::path path = scratch_folder("journal") / "a.journal";
  std::string mark;
  {
    Journal journal(path, "");
    journal.append(entry("a"));
    mark = journal.mark(1);
  }
  EXPECT_TRUE(contains(error_of(ErrorKind::state, [&] { Journal(path, "other:1"); }),
                       "they are for another artefact"));
  EXPECT_TRUE(contains(error_of(ErrorKind::state, [&] { Journal(path, ""); }),
                       "they are for another artefact"));
  { Journal(path, mark).saved(1); }
  // Nothing is lost: it becomes the journal of the artefact that is there now.
  Journal journal(path, "other:1");
  EXPECT_FALSE(journal.mark(0).starts_with(mark.substr(0, 32)));
  EXPECT_EQ(journal.find("a"), std::nullopt);
}

TEST(Journal, IsOpenOnce) {
  const fs::path path = scratch_folder("journal") / "a.journal";
  Journal journal(path, "");
  EXPECT_TRUE(contains(error_of(ErrorKind::state, [&] { Journal(path, ""); }),
                       "another server has it open"));
  journal.append(entry("a"));
  journal.saved(1);  // another file under the same name
  EXPECT_TRUE(contains(error_of(ErrorKind::state, [&] { Journal(path, ""); }),
                       "another server has it open"));
}

TEST(Journal, RefusedEntriesAreNotPending) {
  const fs::path path = scratch_folder("journal") / "a.journal";
  std::string mark;
  {
    Journal journal(path, "");
    journal.append(entry("a"));
    journal.append(entry("b"));
    journal.refused(1, "a");
    EXPECT_EQ(journal.find("a"), std::nullopt) << "it may be sent again";
    mark = journal.mark(0);
  }
  Journal journal(path, mark);
  EXPECT_EQ(keys_of(journal.pending()), Keys{"b"});
  EXPECT_EQ(journal.find("a"), std::nullopt);
}

/// What learns in a test: a file of the keys that were learned, with the mark, saved as a whole.
struct Pupil {
  fs::path folder;
  Keys learned;
  std::string mark;
  bool saves = true;

  explicit Pupil(fs::path where) : folder(std::move(where)) { open(); }
  void open() {
    learned.clear();
    mark.clear();
    if (!fs::exists(folder / "artefact")) return;
    std::istringstream lines(read_text(folder / "artefact"));
    std::getline(lines, mark);
    for (std::string line; std::getline(lines, line);) learned.push_back(line);
  }
  Lessons::Work work() {
    return {.learn =
                [this](const JournalEntry& one) {
                  if (one.key == "bad") throw HttpError(409, "it is bad");
                  learned.push_back(one.key);
                  return std::string("{}");
                },
            .save =
                [this](const std::string& next) {
                  if (!saves) fail(ErrorKind::file, "the disk is full");
                  std::string text = next + "\n";
                  for (const auto& key : learned) text += key + "\n";
                  write_text(folder / "artefact", text);
                  mark = next;
                },
            .warn = [](const std::string&) {}};
  }
};

TEST(Lessons, AreLearnedInOrderAndOnce) {
  const fs::path folder = scratch_folder("lessons");
  Pupil pupil(folder);
  Journal journal(folder / "journal", pupil.mark);
  Lessons lessons(journal, pupil.mark, {}, pupil.work());
  EXPECT_FALSE(pupil.mark.empty()) << "the artefact knows its journal before anything is in it";
  for (const char* key : {"a", "b", "bad", "c"})
    EXPECT_EQ(int(lessons.hand_in(entry(key)).how), int(HandedIn::How::taken));
  const Lesson refused = lessons.wait_for(3);
  EXPECT_EQ(int(refused.state), int(LessonState::refused));
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.why, "it is bad");
  EXPECT_EQ(int(lessons.wait_for(4).state), int(LessonState::learned));
  const HandedIn again = lessons.hand_in(entry("b"));
  EXPECT_EQ(int(again.how), int(HandedIn::How::repeated));
  EXPECT_EQ(again.sequence, 2u);
  EXPECT_EQ(int(lessons.hand_in(entry("bad")).how), int(HandedIn::How::taken));
  lessons.stop();
  EXPECT_EQ(pupil.learned, (Keys{"a", "b", "c"}));
  EXPECT_EQ(pupil.mark, journal.mark(5)) << "saved at the end";
  EXPECT_EQ(int(lessons.hand_in(entry("late")).how), int(HandedIn::How::full));
}

// The process ends without saving, between saving and shortening, or while the disk was full.
TEST(Lessons, AreLearnedFromTheJournal) {
  const fs::path folder = scratch_folder("lessons");
  const auto crashed = [&](const Keys& keys, bool saves) {
    Pupil pupil(folder);
    Journal journal(folder / "journal", pupil.mark);
    const Keys before = pupil.learned;
    pupil.saves = saves || pupil.mark.empty();
    Lessons lessons(journal, pupil.mark, {.save_after_s = 3600}, pupil.work());
    for (const auto& key : keys) lessons.wait_for(lessons.hand_in(entry(key)).sequence);
    pupil.saves = false;  // at the end nothing is saved
  };
  crashed({"a", "b"}, true);
  {
    Pupil pupil(folder);
    EXPECT_EQ(pupil.learned, Keys{});
    Journal journal(folder / "journal", pupil.mark);
    EXPECT_EQ(keys_of(journal.pending()), (Keys{"a", "b"}));
  }
  crashed({"b", "c"}, true);  // a and b are learned at the start, and saved; b is sent again
  crashed({"d"}, false);      // c is learned, but cannot be saved
  Pupil pupil(folder);
  EXPECT_EQ(pupil.learned, (Keys{"a", "b"}));
  Journal journal(folder / "journal", pupil.mark);
  Lessons lessons(journal, pupil.mark, {}, pupil.work());
  lessons.stop();
  EXPECT_EQ(pupil.learned, (Keys{"a", "b", "c", "d"}));
  pupil.open();
  EXPECT_EQ(pupil.learned, (Keys{"a", "b", "c", "d"}));
}

TEST(Lessons, AFullQueueRefuses) {
  const fs::path folder = scratch_folder("lessons");
  Pupil pupil(folder);
  Journal journal(folder / "journal", pupil.mark);
  auto work = pupil.work();
  std::atomic<bool> go{false};
  work.learn = [&](const JournalEntry&) {
    while (!go) std::this_thread::yield();
    return std::string("{}");
  };
  Lessons lessons(journal, pupil.mark, {.capacity = 2}, work);
  EXPECT_EQ(int(lessons.hand_in(entry("a")).how), int(HandedIn::How::taken));
  EXPECT_EQ(int(lessons.hand_in(entry("b")).how), int(HandedIn::How::taken));
  EXPECT_EQ(int(lessons.hand_in(entry("c")).how), int(HandedIn::How::full));
  EXPECT_EQ(journal.last(), 2u) << "what is refused is not in the journal";
  go = true;
  lessons.wait_for(2);
  EXPECT_EQ(int(lessons.hand_in(entry("c")).how), int(HandedIn::How::taken));
}

TEST(Lessons, OfManyThreadsAreEachLearnedOnce) {
  const fs::path folder = scratch_folder("lessons");
  Pupil pupil(folder);
  Journal journal(folder / "journal", pupil.mark);
  constexpr int kThreads = 4, kEach = 25;
  {
    Lessons lessons(journal, pupil.mark, {.capacity = 1000, .save_after_s = 0.001}, pupil.work());
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          // Every key is sent by two threads.
          const auto handed = lessons.hand_in(entry(fmt::format("{}-{}", t / 2, i)));
          EXPECT_EQ(int(lessons.wait_for(handed.sequence).state), int(LessonState::learned));
        }
      });
  }
  pupil.open();
  EXPECT_EQ(pupil.learned.size(), size_t(kThreads / 2 * kEach));
  EXPECT_EQ(std::set<std::string>(pupil.learned.begin(), pupil.learned.end()).size(),
            pupil.learned.size());
  EXPECT_EQ(pupil.mark, journal.mark(journal.last()));
}

}  // namespace
}  // namespace patina::serve
