const answer = document.querySelector("pre");
window.model.onToken((chunk) => answer.append(chunk));
document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  answer.textContent = "";
  window.model.ask(event.target.elements.question.value).catch((error) => answer.append(error.message));
});
