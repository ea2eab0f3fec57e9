"""The world around the shop for one minute: customers, a bank, a carrier, and somebody with -9."""
