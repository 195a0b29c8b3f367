"""What writes and checks the generated files of this repository; no part of the product."""
