// SARI, a metric for text simplification (Xu et al., "Optimizing statistical machine translation
// for text simplification", TACL 2016).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "patina/eval/matrix.h"
#include "patina/eval/text/text_sample.h"

namespace patina {

/// 100/3 (F_keep + P_delete + F_add), each averaged over n-grams of 1 to 4 tokens, in [0, 100]. It
/// compares what the prediction keeps, deletes and adds, relative to the source, with the
/// references. This is Hugging Face's variant: lower case and 13a tokens; counts of source and
/// prediction are multiplied by the number of references; the recall of keeping divides by counts;
/// 0/0 is 1; deletion has only a precision. An empty text is one empty token. Undefined without
/// references.
Score sari(std::string_view source, std::string_view prediction,
           std::span<const std::string> references);

/// The mean over samples. Undefined if there are no samples, or if a sample has no reference.
Score corpus_sari(std::span<const TextSample> samples);

}  // namespace patina
