"""People of the example: whose address is proved, and how somebody proves again who is at the keyboard."""

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractUser, Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme

from keys.web.actor import prove

PROVED = "Address proved"


def has_proved_the_address(user: AbstractUser) -> bool:
    """Group membership stands for the mailed link of a real product."""
    return user.groups.filter(name=PROVED).exists()


def note_proof_of_address(user: AbstractUser) -> None:
    user.groups.add(Group.objects.get_or_create(name=PROVED)[0])


@login_required
def ask_for_password(request: HttpRequest) -> HttpResponse:
    """Step-up page: the password once more, and back to where the person was."""
    back = request.GET.get("next", "")
    if request.method != "POST":
        return render(request, "prove.html")
    if not request.user.check_password(request.POST.get("password", "")):
        return render(request, "prove.html", {"is_wrong": True}, status=422)
    prove(request)
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return redirect(back if is_ours else "home")
