// The page on the phone: sends each photo that the user takes to the studio.

const input = /** @type {HTMLInputElement} */ (document.getElementById("photo"));
const status = /** @type {HTMLElement} */ (document.getElementById("status"));
let numSent = 0;

/**
 * @param {string} text
 * @param {boolean} [isFault]
 */
function show(text, isFault = false) {
  status.textContent = text;
  status.classList.toggle("fault", isFault);
}

/**
 * Sends a photo.
 * @param {File} photo
 */
async function send(photo) {
  show("Sending …");
  /** @type {Response} */
  let response;
  try {
    response = await fetch("photos", { method: "PUT", body: photo });
  } catch {
    show("The computer does not answer. Is the window with the QR code still open?", true);
    return;
  }
  if (response.ok) {
    numSent += 1;
    show(`Photos sent: ${numSent}. Look at the computer.`);
  } else {
    const { error } = await response.json().catch(() => ({ error: `The computer sent status ${response.status}.` }));
    show(error, true);
  }
}

input.addEventListener("change", () => {
  const photo = input.files?.[0];
  input.value = "";
  if (photo) send(photo);
});
