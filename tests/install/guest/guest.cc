// Compiled before and after patina joins the project; guest_test.cmake compares the commands.
int main() {
  return 0;
}
