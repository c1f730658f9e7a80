// The bytes of a zip archive with stored entries, right or wrong.
#pragma once

#include <string_view>
#include <vector>

#include "patina/base/file.h"

namespace patina {

class ZipWriting {
 public:
  struct Entry {
    std::string name, data;
    uint16_t method = 0, flags = 0;
    uint32_t says = ~0u;  // the size that the directory tells; the largest: the right one
    uint32_t at = ~0u;    // where it says the entry is; the largest: where it is
  };

  ZipWriting& entry(Entry entry) {
    entries_.push_back(std::move(entry));
    return *this;
  }
  ZipWriting& entry(std::string name, std::string data) {
    return entry(Entry{.name = std::move(name), .data = std::move(data)});
  }

  /// The directory's numbers stand in 64-bit records if asked.
  Bytes bytes(bool wide = false) const {
    Bytes out;
    std::vector<uint32_t> places;
    for (const Entry& e : entries_) {
      places.push_back(uint32_t(out.size()));
      number<uint32_t>(out, 0x04034b50);
      for (const uint16_t value : {uint16_t(20), e.flags, e.method, uint16_t(0), uint16_t(0)})
        number(out, value);
      number<uint32_t>(out, 0);
      number(out, uint32_t(e.data.size()));
      number(out, uint32_t(e.data.size()));
      number(out, uint16_t(e.name.size()));
      number<uint16_t>(out, 4);  // a field that the directory does not have
      raw(out, e.name);
      raw(out, "pad!");
      raw(out, e.data);
    }
    const uint64_t directory = out.size();
    for (size_t i = 0; i < entries_.size(); ++i) {
      const Entry& e = entries_[i];
      number<uint32_t>(out, 0x02014b50);
      for (const uint16_t value :
           {uint16_t(20), uint16_t(20), e.flags, e.method, uint16_t(0), uint16_t(0)})
        number(out, value);
      number<uint32_t>(out, 0);
      const uint32_t size = e.says == ~0u ? uint32_t(e.data.size()) : e.says;
      const uint32_t place = e.at == ~0u ? places[i] : e.at;
      number(out, wide ? ~0u : size);
      number(out, wide ? ~0u : size);
      number(out, uint16_t(e.name.size()));
      number<uint16_t>(out, wide ? 28 : 0);
      for (int zero = 0; zero < 3; ++zero) number<uint16_t>(out, 0);
      number<uint32_t>(out, 0);
      number(out, wide ? ~0u : place);
      raw(out, e.name);
      if (!wide) continue;
      number<uint16_t>(out, 1);
      number<uint16_t>(out, 24);
      for (const uint64_t value : {uint64_t(size), uint64_t(size), uint64_t(place)})
        number(out, value);
    }
    const uint64_t end = out.size();
    if (wide) {
      number<uint32_t>(out, 0x06064b50);
      number<uint64_t>(out, 44);
      number<uint32_t>(out, 0);
      number<uint64_t>(out, 0);
      for (const uint64_t value :
           {uint64_t(entries_.size()), uint64_t(entries_.size()), end - directory, directory})
        number(out, value);
      number<uint32_t>(out, 0x07064b50);
      number<uint32_t>(out, 0);
      number(out, end);
      number<uint32_t>(out, 1);
    }
    number<uint32_t>(out, 0x06054b50);
    number<uint32_t>(out, 0);
    for (int twice = 0; twice < 2; ++twice) number(out, uint16_t(wide ? 0xffff : entries_.size()));
    number(out, wide ? ~0u : uint32_t(end - directory));
    number(out, wide ? ~0u : uint32_t(directory));
    number<uint16_t>(out, 0);
    return out;
  }

 private:
  template <class T>
  static void number(Bytes& out, T value) {
    const auto* from = reinterpret_cast<const uint8_t*>(&value);
    out.insert(out.end(), from, from + sizeof value);
  }
  static void raw(Bytes& out, std::string_view text) {
    out.insert(out.end(), text.begin(), text.end());
  }

  std::vector<Entry> entries_;
};

}  // namespace patina
