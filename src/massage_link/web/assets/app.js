// What only the browser can do: sound, notifications, the colour scheme, and noticing that the connection was away.
(() => {
  "use strict";
  const app = (window.massageLink = { rung: 0, shown: 0 });
  const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private windows may refuse */ } };
  const recall = (key) => { try { return localStorage.getItem(key); } catch { return null; } };

  // --- light and dark --------------------------------------------------------------------------------------------------
  app.theme = () => {
    const dark = !document.body.classList.contains("body--dark");
    document.cookie = `massage_link_theme=${dark ? "dark" : "light"}; path=/; max-age=31536000; samesite=lax`;
    window.Quasar?.Dark.set(dark);
  };

  // --- sound and notifications -----------------------------------------------------------------------------------------
  let audio = null;
  const wake = () => { audio ??= new AudioContext(); if (audio.state !== "running") audio.resume(); };
  app.wantsAlerts = () => recall("massage-link alerts"); // "on", "later" or null
  app.later = () => remember("massage-link alerts", "later");
  app.turnOn = async () => {
    wake();
    remember("massage-link alerts", "on");
    chime();
    if (!("Notification" in window)) return "unsupported";
    return Notification.permission === "default" ? Notification.requestPermission() : Notification.permission;
  };
  // Browsers play nothing before the page has been touched: the first touch makes the sound ready.
  for (const kind of ["pointerdown", "keydown"]) {
    addEventListener(kind, () => { if (app.wantsAlerts() === "on") wake(); }, { once: true });
  }
  function chime() {
    const start = audio.currentTime;
    [[659.3, 0], [880, 0.16]].forEach(([pitch, delay]) => {
      const [tone, volume] = [audio.createOscillator(), audio.createGain()];
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.0001, start + delay);
      volume.gain.exponentialRampToValueAtTime(0.22, start + delay + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, start + delay + 0.7);
      tone.connect(volume).connect(audio.destination);
      tone.start(start + delay);
      tone.stop(start + delay + 0.75);
    });
  }
  app.alert = (title, body, tag) => {
    if (app.wantsAlerts() !== "on") return;
    if (audio?.state === "running") { chime(); app.rung += 1; }
    if ("Notification" in window && Notification.permission === "granted") {
      try {
        const note = new Notification(title, { body, tag });
        note.onclick = () => { window.focus(); note.close(); };
        app.shown += 1;
      } catch { /* phones allow them from service workers only; the sound and the card are there */ }
    }
  };
  app.waiting = (number, title) => { document.title = number ? `(${number}) ${title}` : title; };
  app.toEnd = (id) => requestAnimationFrame(() => { const box = document.getElementById(id); if (box) box.scrollTop = box.scrollHeight; });
  let before = null;
  const soon = (id, act, tries = 40) => { // an element that has just been asked for may not be there yet
    const found = document.getElementById(id);
    if (found) act(found); else if (tries) setTimeout(() => soon(id, act, tries - 1), 25);
  };
  app.focus = (id) => { before = document.activeElement; soon(id, (box) => box.focus()); };
  app.unfocus = () => { if (before?.isConnected) before.focus(); };
  app.put = (id, text) => soon(id, (box) => { box.value = text; });
  app.take = (id) => { const box = document.getElementById(id); const text = box.value; box.value = ""; return text; };

  // --- away and back ---------------------------------------------------------------------------------------------------
  let leaving = false;
  addEventListener("pagehide", () => { leaving = true; });
  const key = "massage-link away";
  const back = () => {
    const since = Number(sessionStorage.getItem(key));
    if (!since || !window.socket.connected) return;
    sessionStorage.removeItem(key);
    emitEvent("back", { seconds: (Date.now() - since) / 1000 });
  };
  const attach = () => {
    if (!window.socket) return setTimeout(attach, 50);
    window.socket.on("disconnect", () => {
      if (!leaving && !sessionStorage.getItem(key)) sessionStorage.setItem(key, String(Date.now()));
    });
    window.socket.on("connect", () => setTimeout(back, 100));
    if (window.socket.connected) setTimeout(back, 100);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", attach); else attach();
})();
