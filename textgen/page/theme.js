/** Dark or light: as the system, until a person chooses. */

const KEY = "textgen theme";

/** Follow the system, and let a button change it. */
export function followTheme(button) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = theme === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Use ${button.textContent.toLowerCase()} colours`);
  };
  const ofSystem = () => (dark.matches ? "dark" : "light");
  apply(stored() ?? ofSystem());
  dark.addEventListener("change", () => stored() ?? apply(ofSystem()));
  button.addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    apply(theme);
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Kept until the page is closed.
    }
  });
}

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
