// Says that a person is here, and counts letters. Submits no form by itself.
// Whoever comes back to the page has answered since, perhaps otherwise than the link says: only Send counts then.
(function () {
  var form = document.forms[0], fields = form.elements, start = Date.now();
  var visit = performance.getEntriesByType('navigation')[0] || {};
  var told = /back|reload/.test(visit.type) || !form.hasAttribute('data-touch') || !navigator.sendBeacon;
  var counter = document.getElementById('counter');

  function act(event) {
    if (!event.isTrusted || Date.now() - start < 300 || document.visibilityState !== 'visible') return;
    fields.evidence.value = fields.evidence.value || event.type;
    if (told) return;
    told = true;
    var chosen = form.querySelector('[name=score]:checked');
    navigator.sendBeacon(form.action + '/touch', new URLSearchParams({
      nonce: fields.nonce.value, score: chosen.value, evidence: event.type
    }));
  }
  ['pointermove', 'pointerdown', 'touchstart', 'keydown'].forEach(function (type) {
    addEventListener(type, act, true);
  });

  if (counter) fields.comment.addEventListener('input', function () {
    var digits = counter.getAttribute('data-digits');
    counter.textContent = String(this.value.length).replace(/\d/g, function (digit) { return digits.charAt(digit); });
  });
})();
