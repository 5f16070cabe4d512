"""Drives the live page of `proactor chat --admin` in Chromium, with clients beside it:
operate.py PROGRAM SCREENSHOTS"""

import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import chromium
from chromium import PATIENCE, step, until

PROGRAM, SCREENSHOTS = sys.argv[1:]
TOKEN = "0123456789abcdef0123456789abcdef"


class Server:
    def __init__(self, *more, admin="127.0.0.1:0"):
        arguments = [PROGRAM, "chat", "--rooms", "--listen", "127.0.0.1:0", "--outbox-bytes", "64KiB", "--slow-consumer", "drop-oldest"]
        arguments += ["--admin", admin, "--max-sessions", "70", *more]
        self.process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if found := re.search(r"chat on (127\.0\.0\.1):(\d+).*admin on http://(127\.0\.0\.1:\d+)/", line):
                self.plain, self.admin = (found[1], int(found[2])), found[3]
                break
        else:
            raise SystemExit("the server has not started")
        # What it says later is not to fill the pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def member(self, room, window=None):
        client = socket.socket()
        client.settimeout(PATIENCE)
        if window:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        client.connect(self.plain)
        client.sendall(room.encode() + b"\n")
        return client

    def end(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)


class Talk:
    """Members that talk, and hear what is said."""

    def __init__(self, members):
        self.members, self.ends = members, False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ends:
            for member in self.members:
                member.sendall(b"x" * 4000 + b"\n")
                member.setblocking(False)
                try:
                    while member.recv(65536):
                        pass
                except BlockingIOError:
                    pass
                member.setblocking(True)
            time.sleep(0.01)

    def end(self):
        self.ends = True
        self.thread.join()


class Tab(chromium.Tab):
    def number(self, name):
        """A number of the first row."""
        script = "return [...document.querySelectorAll('#numbers > div')].map(tile => [tile.children[0].textContent, tile.children[1].firstChild.textContent])"
        return dict(self.driver.execute_script(script))[name]

    def plot(self, title):
        """What a plot says to those who do not see it."""
        labels = [found.get_attribute("aria-label") or "" for found in self.driver.find_elements(By.CSS_SELECTOR, "canvas")]
        return next(label for label in labels if label.startswith(title))

    def ink(self, title):
        """Points of a plot that are drawn in the colour of its first line."""
        script = """
            const figure = [...document.querySelectorAll("figure")].find(figure => figure.textContent.startsWith(arguments[0]));
            const canvas = figure.querySelector("canvas"), tone = getComputedStyle(document.documentElement).getPropertyValue("--tone-0").trim();
            const wanted = [1, 3, 5].map(at => parseInt(tone.slice(at, at + 2), 16));
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let points = 0;
            for (let at = 0; at < data.length; at += 4) points += wanted.every((part, index) => Math.abs(data[at + index] - part) < 8) && data[at + 3] > 200;
            return points;"""
        return self.driver.execute_script(script, title)

    def rows(self):
        return self.driver.find_elements(By.CSS_SELECTOR, "#sessions tbody tr")

    def column(self, label):
        return self.texts(f"#sessions tbody td[data-label={label}] span")

    def session(self):
        """What the page says of one session: its facts and its events."""
        texts = "[...document.querySelectorAll(%r)].map(found => found.textContent)"
        selectors = "#session-facts dt", "#session-facts dd", "#session-events td:last-child"
        names, values, events = self.driver.execute_script("return [%s]" % ", ".join(texts % selector for selector in selectors))
        return dict(zip(names, values)), events

    def search(self, text):
        field = self.find("search")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text or Keys.DELETE)

    def focused(self):
        return self.driver.switch_to.active_element

    def keys(self, *keys):
        self.focused().send_keys(*keys)


driver = chromium.start()
server = Server()
url = f"http://{server.admin}/"
talk = None
try:
    kitchen = [server.member("kitchen") for _ in range(6)]
    others = [server.member(f"room {number}") for number in range(54)]
    with Tab(driver, url, SCREENSHOTS) as tab:
        tab.size(1280, 900)
        tab.color_scheme("light")
        until("it is ready", lambda: tab.find("state").text == "ready")
        until("all are counted", lambda: tab.number("Sessions") == "60")
        assert "proactor chat" in tab.find("name").text and driver.title == "chat – Proactor"
        landmarks = [found.aria_role for found in driver.find_elements(By.CSS_SELECTOR, "header, main, footer, nav, form[role=search]") if found.is_displayed()]
        assert landmarks == ["banner", "main", "search", "navigation", "contentinfo"], landmarks
        step("the numbers of now, with landmarks for a screen reader")

        talk = Talk(kitchen)
        deaf = server.member("kitchen", window=4096)
        until("bytes move", lambda: re.search(r"out [1-9]", tab.plot("Bytes")))
        until("packets move", lambda: re.search(r"in [1-9].*out [1-9]", tab.plot("Packets")))
        until("sessions are drawn", lambda: "sessions 61" in tab.plot("Sessions") and tab.ink("Sessions") > 20)
        until("turns have a time", lambda: re.search(r"99 of 100 under \d", tab.plot("Turn time")))
        until("memory is shown", lambda: re.search(r"resident \d+.* MiB", tab.plot("Memory")))
        at = lambda: re.search(r"at (.*\d:\d\d:\d\d)", tab.plot("Sessions"))[1]
        before = at()
        until("the plot goes on", lambda: at() != before and tab.ink("Sessions") > 20)
        until("the slowest member is named", lambda: any("127.0.0.1:" in text for text in tab.texts("#slow .who")))
        until("and what was done about it", lambda: re.search(r"packets dropped [1-9]", tab.plot("Slow consumers")))
        step("plots move, and the slowest member is named")

        refused = []
        for _ in range(20):
            try:
                refused.append(socket.create_connection(server.plain, timeout=PATIENCE))
            except ConnectionResetError:
                pass  # It was refused before this end saw the connection.
        until("refusals are counted by reason", lambda: re.search(r"sessions [0-9.]+/s", tab.plot("Refusals")) or tab.number("Refused") != "0")
        for client in refused:
            client.close()
        until("closes too", lambda: "by peer" in tab.plot("Accepts and closes"))
        step("refusals and closes by reason")

        until("the table has a page", lambda: len(tab.rows()) == 50 and tab.find("page").text.startswith("1–50 of 61"))
        tab.find("later").click()
        until("the next page", lambda: len(tab.rows()) == 11 and tab.find("page").text == "51–61 of 61")
        assert not tab.find("later").is_enabled()
        tab.find("earlier").click()
        until("back", lambda: len(tab.rows()) == 50)
        driver.find_element(By.CSS_SELECTOR, "th[data-sort=peer] button").click()
        until("sorted by peer", lambda: driver.find_element(By.CSS_SELECTOR, "th[data-sort=peer]").get_attribute("aria-sort") == "ascending")
        ports = lambda: [int(peer.rsplit(":", 1)[1]) for peer in tab.column("Peer")]
        until("in that order", lambda: len(ports()) == 50 and ports() == sorted(ports()))
        driver.find_element(By.CSS_SELECTOR, "th[data-sort=peer] button").click()
        until("backwards", lambda: len(ports()) == 50 and ports() == sorted(ports(), reverse=True))
        step("pages and orders")

        driver.find_element(By.CSS_SELECTOR, "h1").click()
        tab.keys("/")
        until("the search has the focus", lambda: tab.focused().get_attribute("id") == "search")
        tab.keys("kitchen")
        until("it is found by its group", lambda: len(tab.rows()) == 7 and set(tab.column("Groups")) == {"kitchen"})
        wanted = "127.0.0.1:%d" % others[7].getsockname()[1]
        tab.search(wanted)
        until("by its peer", lambda: tab.column("Peer") == [wanted])
        tab.search("nobody is called so")
        until("or not at all", lambda: not tab.rows() and "no session" in tab.find("page").text)
        tab.search(wanted)
        until("by its peer again", lambda: tab.column("Peer") == [wanted])
        step("search")

        link = driver.find_element(By.CSS_SELECTOR, "#sessions tbody td[data-label=Id] a")
        id = link.text
        link.click()
        until("its life is shown", lambda: tab.find("session").is_displayed() and "accepted" in tab.session()[1])
        assert tab.find("session-title").text == f"Session {id}" and driver.current_url == f"{url}#session={id}"
        facts = tab.session()[0]
        assert facts["Peer"] == wanted and facts["Groups"] == "room 7" and re.fullmatch(r"\d+ B", facts["Received"]), facts
        assert tab.focused().text == "Back"
        driver.back()
        until("the browser leads back", lambda: not tab.find("session").is_displayed())
        driver.forward()
        until("and there again", lambda: tab.find("session").is_displayed() and tab.session()[0]["Peer"] == wanted)
        tab.keys(Keys.ESCAPE)
        until("Escape leads back", lambda: not tab.find("session").is_displayed() and driver.current_url == url)
        step("the life of a session")

        # By keyboard alone: to its button, into the dialog, out, and in again.
        button = driver.find_element(By.CSS_SELECTOR, "#sessions tbody button")
        assert button.accessible_name.startswith("Close session "), button.accessible_name
        for _ in range(40):
            if tab.focused() == button:
                break
            tab.keys(Keys.TAB)
        assert tab.focused() == button, "the button is not reached by tabs"
        time.sleep(5)
        assert tab.focused() == button, "the focus is lost when the table is new"
        tab.keys(Keys.ENTER)
        until("it is asked", lambda: tab.find("closing").is_displayed() and wanted in tab.find("closing-what").text)
        assert tab.focused().text == "Keep it", "what harms nobody comes first"
        tab.keys(Keys.ESCAPE)
        until("it is kept", lambda: not tab.find("closing").is_displayed())
        tab.keys(Keys.ENTER)
        until("it is asked again", lambda: tab.find("closing").is_displayed())
        driver.find_element(By.CSS_SELECTOR, "#closing button[value=graceful]").send_keys(Keys.ENTER)
        until("it is gone from the table", lambda: not tab.rows())
        assert others[7].recv(1) == b"", "its peer sees the end"
        driver.get(f"{url}#session={id}")
        until("its last events are there", lambda: tab.find("session-state").text == "It has ended." and "ended" in tab.session()[1])
        assert not tab.find("session-close").is_displayed() and not tab.session()[0]
        driver.get(f"{url}#session=0.77777.0")
        until("another is not known", lambda: tab.find("session-state").text.startswith("there is no session 0.77777.0"))
        tab.keys(Keys.ENTER)
        until("nothing is shown", lambda: not tab.find("session").is_displayed())
        tab.search("")
        until("the others are there", lambda: len(tab.rows()) == 50)
        step("a session is closed, by keyboard")

        canvas = driver.find_element(By.CSS_SELECTOR, "canvas")
        driver.execute_script("arguments[0].focus()", canvas)
        tab.keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
        cursor = lambda: driver.find_element(By.CSS_SELECTOR, "figcaption output").text
        until("the cursor tells its time", lambda: re.search(r"\d:\d\d:\d\d", cursor()))
        tab.keys(Keys.ESCAPE)
        until("it goes", lambda: cursor() == "")
        driver.find_element(By.CSS_SELECTOR, "h1").click()
        driver.find_element(By.TAG_NAME, "body").send_keys("3")
        until("an hour is chosen", lambda: driver.find_element(By.CSS_SELECTOR, "input[value='3600']").is_selected())
        driver.find_element(By.TAG_NAME, "body").send_keys("1")
        step("plots by keyboard")

        tab.expect_no_overflow()
        driver.execute_script("scrollTo(0, 0)")
        tab.screenshot("live-wide-light")
        tab.color_scheme("dark")
        until("dark is drawn", lambda: tab.ink("Sessions") > 20)
        tab.screenshot("live-wide-dark")
        tab.size(390, 1600, 2, True)
        time.sleep(0.3)
        tab.expect_no_overflow()
        tab.screenshot("live-phone-dark")
        tab.color_scheme("light")
        tab.search("kitchen")
        until("cards", lambda: len(tab.rows()) == 7)
        driver.execute_script("document.getElementById('sessions-title').scrollIntoView()")
        time.sleep(0.3)
        tab.expect_no_overflow()
        tab.screenshot("live-phone-light")
        step("wide and narrow, light and dark")

        deaf_row = driver.find_element(By.XPATH, "//tr[td/span[text()='127.0.0.1:%d']]" % deaf.getsockname()[1])
        driver.execute_script("arguments[0].querySelector('a').click()", deaf_row)
        until("what it lost is told", lambda: any("packets dropped" in text for text in tab.session()[1]))
        tab.expect_no_overflow()
        tab.screenshot("session-phone-light")
        tab.size(1280, 900)
        tab.color_scheme("dark")
        tab.screenshot("session-wide-dark")
        tab.color_scheme("light")
        tab.screenshot("session-wide-light")
        tab.find("session-close").click()
        until("it is asked", lambda: tab.find("closing").is_displayed())
        driver.find_element(By.CSS_SELECTOR, "#closing button[value=abort]").click()
        until("its end is told", lambda: tab.find("session-state").text == "It has ended.")
        tab.keys(Keys.ESCAPE)
        step("a session that is slow, and its end")

        talk.end()
        talk = None
        admin = server.admin
        server.end()
        until("the loss is seen", lambda: tab.find("state").text == "no answer")
        server = Server(admin=admin)
        until("it is back", lambda: tab.find("state").text == "ready" and tab.number("Sessions") == "0")
        requested = driver.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
        assert all(name.startswith(url) for name in requested), "nothing is asked for elsewhere"
        # The server was away, and this test reads plots.
        expected = ["ERR_CONNECTION", "Failed to load resource", "getImageData"]
        logged = [entry for entry in driver.get_log("browser") if not any(text in entry["message"] for text in expected)]
        assert not logged, logged
        step("a restart of the server")
    server.end()

    with tempfile.NamedTemporaryFile("w") as file:
        file.write(TOKEN)
        file.flush()
        server = Server("--admin-token-file", file.name)
    with Tab(driver, f"http://{server.admin}/", SCREENSHOTS) as tab:
        tab.size(1280, 900)
        until("a token is asked for", lambda: tab.find("door").is_displayed())
        until("it has the focus", lambda: tab.focused().get_attribute("id") == "token")
        tab.keys(Keys.ESCAPE)
        tab.keys("wrong" * 8, Keys.ENTER)
        until("it is wrong", lambda: "the token is wrong" in tab.find("door-error").text)
        tab.screenshot("live-token")
        tab.keys(TOKEN, Keys.ENTER)
        until("it is right", lambda: not tab.find("door").is_displayed() and tab.find("state").text == "ready")
        driver.refresh()
        until("the tab remembers it", lambda: tab.find("state").text == "ready")
        step("a token")
finally:
    driver.quit()
    if talk:
        talk.end()
    server.process.terminate()
