(() => {
  "use strict";
  const SECONDS = 2;
  // Each part is replaced only when it has changed: a screen reader and a selection stay in peace.
  const refresh = async () => {
    const gone = document.getElementById("gone");
    try {
      const answer = await fetch("./", {cache: "no-store"});
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-part]")) {
        const other = fresh.querySelector(`[data-part=${part.dataset.part}]`);
        if (other.innerHTML !== part.innerHTML) part.replaceChildren(...other.childNodes);
      }
      document.title = fresh.title;
      gone.hidden = true;
    } catch {
      gone.hidden = false;
    }
    setTimeout(refresh, 1000 * SECONDS);
  };
  setTimeout(refresh, 1000 * SECONDS);
})();
