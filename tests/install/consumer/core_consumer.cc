// Uses an installed patina::core alone. Exits 0 when a metric comes out right.
#include "patina/eval/matrix.h"

int main() {
  patina::AccuracyMatrix matrix(1);
  matrix.set(1, 0, 0.75);
  return patina::metric("average_accuracy").value(matrix) == 0.75 ? 0 : 1;
}
