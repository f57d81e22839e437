/* Keeps an open page true: counts the time left, and puts in what the server says has changed. Nothing is decided here. */
"use strict";
(() => {
	const watch = document.getElementById("watch");
	const news = document.getElementById("news");
	const said = document.getElementById("said");
	let ahead = 0; /* milliseconds that the server's clock is ahead of ours */

	const words = (s) =>
		s >= 86400 ? `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`
		: s >= 3600 ? `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
		: s >= 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s} s`;

	function count() {
		const now = (Date.now() + ahead) / 1000;
		for (const time of document.querySelectorAll(".left")) {
			const left = Math.max(0, Math.ceil(Number(time.dataset.until) - now));
			time.textContent = words(left);
			time.classList.toggle("soon", left < 60);
		}
	}

	function setClock(seconds) {
		if (seconds > 0)
			ahead = seconds * 1000 - Date.now();
		count();
	}

	function tellLink(on, text, word, path) {
		const live = document.getElementById("live");
		if (!live)
			return;
		live.hidden = false;
		live.className = on ? "live on" : "live off";
		live.textContent = text;
		if (word) {
			const link = document.createElement("a");
			link.href = path;
			link.textContent = word;
			live.append(" ", link);
		}
	}

	/* What somebody is typing stays: a card that has not changed is kept as it is, of another the fields are taken over. */
	function keep(old, card) {
		if (old.dataset.version === card.dataset.version) {
			card.replaceWith(old);
			return;
		}
		for (const field of old.querySelectorAll("input:not([type=hidden])")) {
			const same = card.querySelector(`input[name="${field.name}"]`);
			if (same)
				same.value = field.value;
		}
	}

	function announce(before, view) {
		const lines = [];
		for (const card of view.querySelectorAll("article")) {
			const old = before.get(card.dataset.key);
			const grants = card.querySelector(".grants").textContent;
			if (!old) {
				card.classList.add("fresh");
				lines.push(`New request ${card.dataset.key}: ${grants}.`);
			} else if (old.dataset.status !== card.dataset.status) {
				lines.push(`Request ${card.dataset.key}: ${card.querySelector(".state").textContent.trim()}.`);
			}
			before.delete(card.dataset.key);
		}
		for (const key of before.keys())
			lines.push(`Request ${key} is no longer here.`);
		if (lines.length)
			news.textContent = lines.join(" ");
	}

	/* Whoever works with the keyboard goes on where they were; what is gone leaves them at the content, not at the top. */
	function refocus(focused, start, end) {
		const again = focused.isConnected ? focused : focused.id && document.getElementById(focused.id);
		if (again === document.activeElement)
			return;
		(again || document.getElementById("main")).focus({preventScroll: true});
		if (again && typeof start === "number")
			again.setSelectionRange(start, end);
	}

	function show(html) {
		const view = new DOMParser().parseFromString(html, "text/html").getElementById("view");
		const old = document.getElementById("view");
		if (!view || !old)
			return;
		const focused = old.contains(document.activeElement) ? document.activeElement : null;
		const start = focused && focused.selectionStart, end = focused && focused.selectionEnd;
		const before = new Map();
		for (const card of old.querySelectorAll("article"))
			before.set(card.dataset.key, card);
		announce(new Map(before), view);
		for (const card of view.querySelectorAll("article"))
			if (before.has(card.dataset.key))
				keep(before.get(card.dataset.key), card);
		old.replaceWith(document.adoptNode(view));
		if (focused)
			refocus(focused, start, end);
	}

	function setTitle() {
		const cards = document.querySelectorAll('article[data-status="PENDING"]').length;
		const plain = document.title.replace(/^\(\d+\) /, "");
		document.title = cards && location.pathname === "/" ? `(${cards}) ${plain}` : plain;
	}

	const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

	async function ask() {
		const answer = await fetch(`${watch.dataset.live}&seen=${watch.dataset.seen}&wait=25`,
			{credentials: "same-origin", cache: "no-store", redirect: "error"});
		if (answer.status === 401 || answer.status === 404)
			return answer.status;
		if (!answer.ok)
			throw new Error(String(answer.status));
		const html = await answer.text();
		setClock(Number(answer.headers.get("X-Jit-Now")));
		if (html) {
			watch.dataset.seen = answer.headers.get("X-Jit-Seen");
			show(html);
			setTitle();
			count();
		}
		return 200;
	}

	async function follow() {
		let pause = 500;
		tellLink(true, "Live");
		for (;;) {
			try {
				const status = await ask();
				if (status === 401) {
					/* A link, for behind a proxy to go there is to sign in, and somebody has just signed out. */
					tellLink(false, "You are signed out.", "Sign in again", location.pathname);
					news.textContent = "You are signed out, and nothing can be decided here. Sign in again.";
					return;
				}
				if (status === 404) {
					tellLink(false, "This request is no longer yours to see");
					return;
				}
				pause = 500;
				tellLink(true, "Live");
			} catch {
				tellLink(false, "No connection: what you see may be old");
				await sleep(pause);
				pause = Math.min(2 * pause, 15000);
			}
		}
	}

	if (said)
		said.focus({preventScroll: true});
	if (watch) {
		setClock(Number(watch.dataset.now));
		setInterval(count, 1000);
		setTitle();
		follow();
	}
})();
