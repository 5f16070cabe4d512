"""Drives the page of `proactor chat --http` in two tabs of Chromium, with `nc` beside them:
drive.py PROGRAM SCREENSHOTS"""

import re
import subprocess
import sys
import time

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import chromium
from chromium import PATIENCE, step, until

PROGRAM, SCREENSHOTS = sys.argv[1:]


class Server:
    def __init__(self, plain="127.0.0.1:0", page="127.0.0.1:0"):
        arguments = [PROGRAM, "chat", "--codec", "lines", "--listen", plain, "--http", page]
        self.process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if found := re.search(r"chat on (127\.0\.0\.1:\d+), http://(127\.0\.0\.1:\d+)/;", line):
                self.plain, self.page = found.groups()
                return
        raise SystemExit("the server has not started")

    def end(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, "it does not end in order"


class Netcat:
    def __init__(self, address):
        self.process = subprocess.Popen(["nc", *address.split(":")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def say(self, line):
        self.process.stdin.write(line + "\n")

    def expect(self, line):
        got = self.process.stdout.readline().rstrip("\n")
        assert got == line, f"nc got {got!r} instead of {line!r}"

    def end(self):
        self.process.terminate()
        self.process.wait()


class Tab(chromium.Tab):
    def enter(self, name, room="lobby"):
        # By keyboard alone: the name has the focus.
        until("the name has the focus", lambda: self.driver.switch_to.active_element.get_attribute("id") == "name")
        self.driver.switch_to.active_element.send_keys(Keys.CONTROL, "a")
        self.driver.switch_to.active_element.send_keys(name, Keys.TAB)
        self.driver.switch_to.active_element.send_keys(Keys.CONTROL, "a")
        self.driver.switch_to.active_element.send_keys(room, Keys.ENTER)

    def inside(self, name):
        until(f"{name} is in", lambda: self.find("house").is_displayed() and name in self.find("me").text)
        until("the message has the focus", lambda: self.driver.switch_to.active_element.get_attribute("id") == "text")

    def say(self, text):
        self.find("text").send_keys(text, Keys.ENTER)

    def expect(self, who, what):
        pair = [who, what]
        said = lambda: [list(both) for both in zip(self.texts(".said .who"), self.texts(".said .what"))]
        until(f"{pair} in the transcript", lambda: pair in said())

    def expect_people(self, *names):
        shown = lambda: [text.removesuffix(" (you)") for text in self.texts("#people li")]
        until(f"the people are {names}", lambda: shown() == list(names))


driver = chromium.start()
server = Server()
url = f"http://{server.page}/"
try:
    with Tab(driver, url, SCREENSHOTS) as ada:
        ada.size(1100, 720)
        ada.color_scheme("light")
        ada.screenshot("door")
        ada.enter("Ada")
        ada.inside("Ada")
        ada.expect_people("Ada")
        assert ada.driver.title == "lobby – Proactor chat", ada.driver.title
        landmarks = [found.aria_role for found in driver.find_elements(By.CSS_SELECTOR, "header, aside, main, #log") if found.is_displayed()]
        assert landmarks == ["banner", "complementary", "main", "log"], landmarks
        names = [found.accessible_name for found in driver.find_elements(By.CSS_SELECTOR, "aside, #log, #text")]
        assert names == ["Here", "Conversation", "Message"], names
    step("a page enters by keyboard, with landmarks and names for a screen reader")

    with Tab(driver, url, SCREENSHOTS) as bo:
        bo.size(1100, 720)
        bo.color_scheme("light")
        bo.enter("ada")
        until("the name is taken", lambda: "Somebody in this room has this name" in bo.find("door-error").text)
        bo.enter("Bo")
        bo.inside("Bo")
        bo.expect_people("Ada", "Bo")
    with ada:
        ada.expect_people("Ada", "Bo")
    nc = Netcat(server.plain)
    with ada:
        until("a guest is seen", lambda: "one guest" in ada.find("guests").text)
        ada.say("Good morning. Did the build pass?")
    nc.expect("Ada: Good morning. Did the build pass?")
    with bo:
        bo.expect("Ada", "Good morning. Did the build pass?")
        bo.say("All green, on both backends.")
    nc.expect("Bo: All green, on both backends.")
    nc.say("hello from netcat")
    for tab in (ada, bo):
        with tab:
            tab.expect("Bo", "All green, on both backends.")
            tab.expect("guest", "hello from netcat")
    step("two tabs and nc talk, each with both others")

    with bo:
        bo.say("And the page has passed its test.")
        bo.say("Lunch at noon?")
    nc.expect("Bo: And the page has passed its test.")
    nc.expect("Bo: Lunch at noon?")
    with ada:
        ada.expect("Bo", "Lunch at noon?")
        ada.say("Yes. I bring the fan-out figures, and a rather long explanation of why a broadcast is framed once for each framing in use, and not once for each member.")
        ada.expect_no_overflow()
        time.sleep(0.2)
        ada.screenshot("wide-light")
        ada.color_scheme("dark")
        ada.screenshot("wide-dark")
        ada.size(390, 760, 2, True)
        time.sleep(0.2)
        ada.expect_no_overflow()
        ada.screenshot("phone-dark")
        ada.color_scheme("light")
        ada.screenshot("phone-light")
        ada.size(1100, 720)
    with bo:
        bo.say("<img src=x onerror=alert(1)>")
    nc.say("<b>not bold</b>")
    for tab in (ada, bo):
        with tab:
            tab.expect("Bo", "<img src=x onerror=alert(1)>")
            tab.expect("guest", "<b>not bold</b>")
            assert not driver.find_elements(By.CSS_SELECTOR, "#log b, #log img"), "what others write is text"
    nc.end()
    with ada:
        until("the guest has left", lambda: not ada.find("guests").is_displayed())
    step("wide and narrow, light and dark")

    server.end()
    for tab in (ada, bo):
        with tab:
            until("the loss is seen", lambda: "Connection lost" in tab.find("status").text)
            assert not tab.find("send").is_enabled()
            tab.screenshot("lost")
    with bo:
        bo.find("text").send_keys("written while it was away")
    server = Server(server.plain, server.page)
    for tab in (ada, bo):
        with tab:
            until("it is back", lambda: not tab.find("connection").is_displayed() and tab.find("send").is_enabled())
            tab.expect_people("Ada", "Bo")
    with bo:
        bo.find("text").send_keys(Keys.ENTER)
    with ada:
        ada.expect("Bo", "written while it was away")
        ada.expect("Ada", "Good morning. Did the build pass?")
    step("both come back after a restart of the server, and what was typed is sent")

    with bo:
        bo.find("leave").click()
        until("it is outside", lambda: bo.find("door").is_displayed())
    with ada:
        ada.expect_people("Ada")
    with bo:
        bo.enter("Bo", "attic")
        bo.inside("Bo")
        bo.expect_people("Bo")
        assert driver.current_url.endswith("#attic")
    step("one leaves for another room")
    for tab in (ada, bo):
        with tab:
            logged = [entry for entry in driver.get_log("browser") if "WebSocket connection" not in entry["message"]]
            assert not logged, logged
finally:
    driver.quit()
    server.process.terminate()
