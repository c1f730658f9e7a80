// A thread pool is lent, never copied.
#include "patina/base/thread_pool.h"

namespace patina::thread_pool_copied {

#ifndef CONTROL
int threads(ThreadPool pool) {
#else
int threads(ThreadPool& pool) {
#endif
  return pool.threads();
}

int ask(ThreadPool& pool) {
  return threads(pool);  // expect: use of deleted function|call to deleted constructor
}

}  // namespace patina::thread_pool_copied
