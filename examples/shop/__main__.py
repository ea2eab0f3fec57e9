"""``python -m examples.shop``: the shop, for one minute, with a worker being killed."""

from examples.shop.stage.show import main

if __name__ == "__main__":
    raise SystemExit(main())
