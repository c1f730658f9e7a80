// The board's answers: lists, reports, damaged files, and what it refuses.
#include "patina/board/board.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "patina/board/pages.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/unit/report/fake_record.h"

namespace patina::board {
namespace {

using serve::Request;
using serve::Response;

class BoardPages : public testing::Test {
 protected:
  void SetUp() override {
    write("one", fake_record("ranpac").dump());
    write("sweep/two", fake_record("finetune").dump());
  }
  void write(const std::string& folder, const std::string& record) {
    make_folder(scratch_ / "runs" / folder);
    write_text(scratch_ / "runs" / folder / "record.json", record);
  }
  Response get(const std::string& target, const std::string& method = "GET") {
    return Pages(scratch_ / "runs")
        .answer(serve::parse_head(method + " " + target + " HTTP/1.1\r\nHost: localhost"));
  }
  Json runs() { return parse_json(get("/runs").body, "runs")["runs"]; }

  fs::path scratch_ = scratch_folder("board");
};

TEST_F(BoardPages, TheListHasEveryRun) {
  const Json list = runs();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0]["id"], "one");
  EXPECT_EQ(list[0]["state"], "finished");
  EXPECT_EQ(list[1]["id"], "sweep/two");
  EXPECT_EQ(list[1]["curve"].size(), 5u);
}

TEST_F(BoardPages, ThePageHoldsAllThatItNeeds) {
  const Response page = get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.type, "text/html; charset=utf-8");
  EXPECT_NE(page.body.find("connect-src 'self'"), std::string::npos);
  EXPECT_NE(page.body.find("Chart.js v3"), std::string::npos);
  EXPECT_NE(page.body.find("<a href=\"/report?run=sweep/two\">sweep/two</a>"), std::string::npos)
      << "for browsers without scripts";
  EXPECT_EQ(page.body.find("<script src"), std::string::npos);
}

TEST_F(BoardPages, AReportIsThatOfTheRunsAskedFor) {
  const Response one = get("/report?run=one");
  EXPECT_EQ(one.status, 200);
  EXPECT_NE(one.body.find("<a href=\"/\">"), std::string::npos) << "the way back";
  EXPECT_NE(one.body.find("ranpac"), std::string::npos);
  EXPECT_EQ(one.body.find("finetune"), std::string::npos);
  const Response both = get("/report?run=one&run=sweep%2Ftwo");
  EXPECT_NE(both.body.find("finetune"), std::string::npos);
  EXPECT_NE(get("/report").body.find("finetune"), std::string::npos) << "all";
}

TEST_F(BoardPages, NothingElseCanBeAskedFor) {
  write_text(scratch_ / "record.json", fake_record("simplecil").dump());
  for (const char* target :
       {"/report?run=..", "/report?run=../", "/report?run=one/../..", "/report?run=%2e%2e",
        "/report?run=/etc/passwd", "/report?run=", "/one/record.json", "/../record.json",
        "/runs/one", "/%2e%2e/record.json"})
    EXPECT_EQ(get(target).status, 404) << target;
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"})
    EXPECT_EQ(get("/runs", method).status, 405) << method;
  EXPECT_EQ(get("/runs", "HEAD").status, 200);
}

TEST_F(BoardPages, LinksThatLeadOutAreNotRead) {
  make_folder(scratch_ / "outside/run");
  write_text(scratch_ / "outside/run/record.json", fake_record("simplecil").dump());
  fs::create_directory_symlink(scratch_ / "outside", scratch_ / "runs/linked");
  make_folder(scratch_ / "runs/sly");
  fs::create_symlink(scratch_ / "outside/run/record.json", scratch_ / "runs/sly/record.json");
  const Json list = runs();
  ASSERT_EQ(list.size(), 3u) << list.dump();
  EXPECT_EQ(list[1]["id"], "sly");
  EXPECT_EQ(list[1]["state"], "unreadable");
  EXPECT_EQ(get("/report?run=sly").status, 404);
  EXPECT_EQ(get("/report").body.find("simplecil"), std::string::npos);
}

TEST_F(BoardPages, DamagedFilesDoNotTakeItDown) {
  write("bad", "{\"schema\": <script>alert(1)</script>");
  write("deep", std::string(100000, '['));
  write("empty", "");
  Json poisoned = fake_record("ranpac");
  poisoned["name"] = poisoned["learner"]["name"] = "<img src=x onerror=alert(1)>";
  write("poisoned", poisoned.dump());
  const Json list = runs();
  ASSERT_EQ(list.size(), 6u);
  for (const auto& run : list) {
    const std::string id = run["id"];
    const bool damaged = id == "bad" || id == "deep" || id == "empty";
    EXPECT_EQ(run["state"], damaged ? "unreadable" : "finished") << id;
  }
  EXPECT_EQ(get("/report?run=bad").status, 404);
  for (const char* target : {"/", "/report", "/report?run=poisoned"}) {
    const Response page = get(target);
    EXPECT_EQ(page.status, 200) << target;
    EXPECT_EQ(page.body.find("<img src=x"), std::string::npos) << target;
    EXPECT_EQ(page.body.find("<script>alert"), std::string::npos) << target;
  }
}

TEST_F(BoardPages, ARecordThatChangesIsReadAgain) {
  Pages pages(scratch_ / "runs");
  const auto learner = [&] {
    const auto list = parse_json(
        pages.answer(serve::parse_head("GET /runs HTTP/1.1\r\nHost: localhost")).body, "runs");
    return list["runs"][0]["learner"].get<std::string>();
  };
  EXPECT_EQ(learner(), "ranpac");
  write("one", fake_record("simplecil").dump(1));
  EXPECT_EQ(learner(), "ranpac") << "it looks twice a second at most";
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  EXPECT_EQ(learner(), "simplecil");
}

TEST_F(BoardPages, AnEmptyFolderIsNoMistakeAndAMissingOneIs) {
  make_folder(scratch_ / "none");
  Pages pages(scratch_ / "none");
  const auto answer = [&](const char* target) {
    return pages.answer(
        serve::parse_head(std::string("GET ") + target + " HTTP/1.1\r\nHost: localhost"));
  };
  EXPECT_EQ(answer("/").status, 200);
  EXPECT_EQ(answer("/report").status, 404);
  EXPECT_NE(error_of(ErrorKind::file, [&] { Pages(scratch_ / "nowhere"); }).find("no such folder"),
            std::string::npos);
}

TEST_F(BoardPages, OtherMachinesNeedAToken) {
  EXPECT_NE(error_of(ErrorKind::usage,
                     [&] { Board({.folder = scratch_ / "runs", .host = "0.0.0.0", .port = 0}); })
                .find("choose a --token"),
            std::string::npos);
  EXPECT_NE(error_of(ErrorKind::usage,
                     [&] { Board({.folder = scratch_ / "runs", .token = "a; b", .port = 0}); })
                .find("--token"),
            std::string::npos);
  Board board({.folder = scratch_ / "runs", .port = 0});
  EXPECT_GT(board.port(), 0);
  board.stop();
}

}  // namespace
}  // namespace patina::board
