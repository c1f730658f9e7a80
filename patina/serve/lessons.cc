#include "patina/serve/lessons.h"

#include <new>
#include <tuple>

#include "patina/base/error.h"
#include "patina/serve/http.h"

namespace patina::serve {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kKept = 10000;  // lessons whose states are kept

Clock::duration duration_of(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

std::pair<int, std::string> status_of_caught() {
  try {
    throw;
  } catch (const HttpError& error) {
    return {error.status(), error.what()};
  } catch (const Error& error) {
    switch (error.kind()) {
      case ErrorKind::scenario:
      case ErrorKind::state:
        return {409, error.what()};
      case ErrorKind::stopped:
        return {503, error.what()};
      case ErrorKind::file:
        return {507, error.what()};
      default:
        return {400, error.what()};
    }
  } catch (const std::bad_alloc&) {
    return {503, "there is not enough memory for this request: send less at once"};
  } catch (const std::exception&) {
    return {500, "internal error; the server's log has more"};
  }
}

Lessons::Lessons(Journal& journal, const std::string& mark, LessonOptions options, Work work)
    : journal_(journal), options_(options), work_(std::move(work)) {
  const auto& pending = journal_.pending();
  saved_ = learned_ = pending.empty() ? journal_.last() : pending.front().sequence - 1;
  for (const auto& entry : pending) {
    lessons_[entry.sequence] = {.sequence = entry.sequence, .key = entry.key};
    learn(entry);
  }
  learned_ = journal_.last();
  const bool replayed = !pending.empty();
  journal_.forget_pending();
  // Even where nothing is new: from now on the artefact is known as this journal's.
  if (replayed || journal_.mark(learned_) != mark) save();
  worker_ = std::thread([this] { run(); });
}

Lessons::~Lessons() {
  stop();
}

void Lessons::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  changed_.notify_one();
  worker_.join();
}

HandedIn Lessons::hand_in(JournalEntry entry) {
  const std::lock_guard in_order(order_);
  if (const auto earlier = journal_.find(entry.key))
    return {.how = HandedIn::How::repeated, .sequence = *earlier};
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || int64_t(waiting_.size()) + learning_ >= options_.capacity) return {};
  }
  entry.sequence = journal_.append(entry);
  const uint64_t sequence = entry.sequence;
  {
    const std::lock_guard lock(mutex_);
    lessons_[sequence] = {.sequence = sequence, .key = entry.key};
    waiting_.push_back(std::move(entry));
  }
  changed_.notify_one();
  return {.how = HandedIn::How::taken, .sequence = sequence};
}

Lesson Lessons::state_of(uint64_t sequence) const {
  const std::lock_guard lock(mutex_);
  const auto found = lessons_.find(sequence);
  if (found != lessons_.end()) return found->second;
  return {.sequence = sequence, .state = LessonState::learned};
}

Lesson Lessons::wait_for(uint64_t sequence) {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] {
    const auto found = lessons_.find(sequence);
    return found == lessons_.end() || found->second.state != LessonState::waiting;
  });
  const auto found = lessons_.find(sequence);
  if (found != lessons_.end()) return found->second;
  return {.sequence = sequence, .state = LessonState::learned};
}

int64_t Lessons::waiting() const {
  const std::lock_guard lock(mutex_);
  return int64_t(waiting_.size()) + learning_;
}

int64_t Lessons::unsaved() const {
  const std::lock_guard lock(mutex_);
  return int64_t(learned_ - saved_);
}

void Lessons::learn(const JournalEntry& entry) {
  Lesson end{.sequence = entry.sequence, .key = entry.key};
  try {
    end.result = work_.learn(entry);
    end.state = LessonState::learned;
  } catch (const std::exception& error) {
    std::tie(end.status, end.why) = status_of_caught();
    end.state = LessonState::refused;
    if (end.status == 500) work_.warn(fmt::format("learning failed: {}", error.what()));
    journal_.refused(entry.sequence, entry.key);
  }
  const std::lock_guard lock(mutex_);
  if (learned_ == saved_) save_at_ = Clock::now() + duration_of(options_.save_after_s);
  learned_ = entry.sequence;
  lessons_[entry.sequence] = std::move(end);
  while (lessons_.size() > kKept && lessons_.begin()->second.state != LessonState::waiting)
    lessons_.erase(lessons_.begin());
}

void Lessons::save() {
  uint64_t up_to;
  {
    const std::lock_guard lock(mutex_);
    up_to = learned_;
  }
  try {
    work_.save(journal_.mark(up_to));
    journal_.saved(up_to);
    const std::lock_guard lock(mutex_);
    saved_ = up_to;
  } catch (const std::exception& error) {
    // Nothing is lost: the journal has it.
    work_.warn(
        fmt::format("the artefact could not be saved, and will be again later: {}", error.what()));
    const std::lock_guard lock(mutex_);
    save_at_ = Clock::now() + duration_of(options_.save_after_s);
  }
}

void Lessons::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto something = [this] { return stopping_ || !waiting_.empty(); };
    if (learned_ == saved_)
      changed_.wait(lock, something);
    else
      changed_.wait_until(lock, save_at_, something);
    if (!waiting_.empty()) {
      const JournalEntry entry = std::move(waiting_.front());
      waiting_.pop_front();
      learning_ = true;
      lock.unlock();
      learn(entry);
      lock.lock();
      learning_ = false;
      done_.notify_all();
    }
    const bool last = stopping_ && waiting_.empty();
    const bool due = learned_ != saved_ && (last || Clock::now() >= save_at_ ||
                                            journal_.bytes() > options_.journal_bytes);
    if (due) {
      lock.unlock();
      save();
      lock.lock();
    }
    if (stopping_ && waiting_.empty()) return;
  }
}

}  // namespace patina::serve
