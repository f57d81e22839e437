"""What every page must be, whoever signed its reader in: text stays text, it can be seen and heard, and it is photographed.

A mixin for LabCase: self.lab.logs is where the photographs go; their names stand in the test's output."""

import json
import os

import npm

LOOKS = (("desktop", {}), ("dark", {"dark": True}), ("phone", {"width": 390, "height": 844, "phone": True}))
STEERING = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd]"  # terminals, and readers' eyes
FOREIGN = "script:not([src^='/asset/']), main img, svg, b, i, iframe, object, embed, style, base, meta[http-equiv]"


class WebPage:
    @staticmethod
    def axe():
        with open(os.path.join(npm.packages(), "node_modules/axe-core/axe.min.js"), encoding="utf-8") as file:
            return file.read()

    def shoot(self, tab, name):
        for look, how in LOOKS:
            tab.look(**how)
            path = os.path.join(self.lab.logs, f"{name}-{look}.png")
            tab.screenshot(path)
            print(f"a photograph: {path}")
        tab.look()

    def assert_accessible(self, tab, name, axe):
        """axe-core finds nothing to say of it, light or dark; and it is not wider than a phone."""
        tab.run(f"if (!window.axe) {{ {axe} }}; 0")
        for dark in (False, True):
            tab.look(dark=dark)
            found = tab.run("axe.run().then(r => r.violations.map(v => v.id + ': ' + v.help + ' ' "
                            "+ v.nodes.map(n => n.html + ' ' + n.failureSummary).join(' | ')))")
            self.assertEqual(found, [], f"{name}, {'dark' if dark else 'light'}")
        tab.look(**dict(LOOKS)["phone"])
        self.assertTrue(tab.run("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than a phone")
        tab.look()

    def card(self, tab, request):
        """Waits until the page shows that request; its selector."""
        selector = f'article[data-key="{request[0]}"]'
        tab.wait(f"!!document.querySelector({json.dumps(selector)})", f"request {request[0]} appears", 5)
        return selector

    def assert_harmless(self, tab, selector, *payloads):
        """No element, attribute or dialog of the payloads'; their letters are there, what steers terminals is not."""
        inside = f"document.querySelector('{selector}')"
        self.assertEqual(tab.run(f"[...document.querySelectorAll({json.dumps(FOREIGN)})].map(e => e.outerHTML)"), [])
        self.assertEqual(tab.run("[...document.querySelectorAll('*')].flatMap(e => [...e.attributes])"
                                 ".filter(a => a.name.startsWith('on') || a.value.includes('javascript:'))"
                                 ".map(a => a.name + '=' + a.value).filter(a => !a.startsWith('value='))"), [])
        shown = tab.run(f"{inside}.textContent")
        self.assertNotRegex(shown, STEERING)
        for payload in payloads:
            clean = "".join(c if c.isprintable() and c not in "\u202e\u2066" else "?" for c in payload)
            self.assertIn(clean, shown)
        self.assertTrue(tab.run("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than its window")

    def assert_no_script_ran(self):
        self.assertEqual([event for event in self.browser.events if event["method"] == "Page.javascriptDialogOpening"], [])
