// SARI, for texts rewritten to be simpler (Xu et al., "Optimizing statistical machine translation
// for text simplification", TACL 2016).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "patina/eval/matrix.h"
#include "patina/eval/text/text_sample.h"

namespace patina {

/// 100/3 (F_keep + P_delete + F_add), each averaged over n-grams of 1 to 4 tokens, in [0, 100]:
/// what the prediction rightly keeps of the source, deletes from it and adds to it, as the
/// references do. Hugging Face's variant: lower case, 13a tokens, counts of source and prediction
/// times the number of references; keeping's recall divides by counts, 0/0 is 1; of deletions
/// precision alone. An empty text is one empty token. Undefined without references.
Score sari(std::string_view source, std::string_view prediction,
           std::span<const std::string> references);

/// The mean over samples; undefined without samples or when one has no reference.
Score corpus_sari(std::span<const TextSample> samples);

}  // namespace patina
