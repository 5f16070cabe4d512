"""Chromium without a window, and tabs of it."""

import time

from selenium import webdriver
from selenium.webdriver.common.by import By

PATIENCE = 120


def step(text):
    print(f"  {text}", flush=True)


def until(what, reached):
    end = time.monotonic() + PATIENCE
    while True:
        why = ""
        try:
            result = reached()
        except Exception as error:  # An element that is being replaced.
            result, why = None, f" ({error})"
        if result:
            return result
        if time.monotonic() > end:
            raise SystemExit(f"never: {what}{why}")
        time.sleep(0.02)


def start():
    options = webdriver.ChromeOptions()
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1100,720", "--lang=en"]:
        options.add_argument(argument)
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))


class Tab:
    def __init__(self, driver, url, screenshots):
        driver.switch_to.new_window("tab")
        self.driver, self.handle, self.screenshots = driver, driver.current_window_handle, screenshots
        driver.get(url)

    def __enter__(self):
        self.driver.switch_to.window(self.handle)
        return self

    def __exit__(self, *_):
        pass

    def find(self, id):
        return self.driver.find_element(By.ID, id)

    def texts(self, selector):
        return [found.get_property("textContent") for found in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def screenshot(self, name):
        self.driver.save_screenshot(f"{self.screenshots}/{name}.png")

    def color_scheme(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def size(self, width, height, scale=1, mobile=False):
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def expect_no_overflow(self):
        root = "document.documentElement"
        fits = f"return {root}.scrollWidth <= {root}.clientWidth"
        until("it does not scroll sideways", lambda: self.driver.execute_script(fits))
