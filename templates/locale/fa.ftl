# The Persian texts. Keys and arguments are listed in src/i18n/texts.rs; a test compares.

# --- the question and its scale: survey page and mail ---
csat_question = در مجموع، از پشتیبانی‌ای که دریافت کردید چقدر راضی هستید؟
csat_1 = بسیار ناراضی
csat_2 = ناراضی
csat_3 = نه راضی نه ناراضی
csat_4 = راضی
csat_5 = بسیار راضی
ces_question = تا چه حد با این جمله موافقید؟ «{ $company } حل مشکل من را آسان کرد.»
ces_question_unnamed = تا چه حد با این جمله موافقید؟ «شما حل مشکل من را آسان کردید.»
ces_1 = کاملاً مخالفم
ces_2 = مخالفم
ces_3 = تا حدی مخالفم
ces_4 = نه موافق نه مخالف
ces_5 = تا حدی موافقم
ces_6 = موافقم
ces_7 = کاملاً موافقم
effort_question = حل مسئله برای شما چقدر آسان بود؟
effort_1 = بسیار آسان
effort_2 = آسان
effort_3 = تا حدی آسان
effort_4 = نه آسان نه سخت
effort_5 = تا حدی سخت
effort_6 = سخت
effort_7 = بسیار سخت
nps_question = چقدر احتمال دارد { $company } را به یک دوست یا همکار توصیه کنید؟
nps_question_unnamed = چقدر احتمال دارد ما را به یک دوست یا همکار توصیه کنید؟
nps_low = اصلاً احتمال ندارد
nps_high = بسیار محتمل است
follow_up_low = چه چیزی خوب پیش نرفت و چگونه می‌توانیم درستش کنیم؟
follow_up_middle = چه چیزی کم بود؟
follow_up_high = چه کاری را خوب انجام دادیم؟
follow_up_any = دوست دارید بیشتر برایمان بگویید؟
scale_point = { $score } از { $top }
scale_point_named = { $score } از { $top }، { $word }

# --- the survey page ---
survey_title = یک پرسش از طرف { $company }
survey_title_unnamed = یک پرسش از شما
survey_title_error = لطفاً بررسی کنید: { $title }
survey_chosen = شما { $score } از { $top } را انتخاب کردید.
survey_chosen_hint = هنوز می‌توانید آن را تغییر دهید.
survey_optional = اختیاری
survey_comment_limit = حداکثر { $limit } نویسه.
survey_consent = می‌توانید نظرم را، بدون نام من، به‌صورت عمومی نقل کنید.
survey_send = ارسال
survey_privacy = بدون کوکی و بدون ردیابی. لطفاً شمارهٔ کارت و رمز عبور ننویسید.
survey_score_missing = لطفاً پاسخی از { $low } تا { $high } انتخاب کنید.
survey_comment_too_long = نظر شما از { $limit } نویسه بلندتر است. لطفاً کوتاهش کنید؛ چیزی از نوشته‌تان از دست نرفته است.
survey_form_stale = این صفحه مدت زیادی باز بوده و پاسخ شما هنوز ثبت نشده است. لطفاً یک بار دیگر «ارسال» را بزنید.
survey_not_stored = همین حالا نتوانستیم پاسخ شما را ثبت کنیم. پاسخ شما هنوز همین‌جاست؛ لطفاً کمی بعد دوباره «ارسال» را بزنید.

# --- the page that asks a person to press once more ---
confirm_title = این پاسخ شماست؟
confirm_why = بعضی برنامه‌های ایمیل پیوندها را خودشان باز می‌کنند. دکمه را بزنید تا بدانیم خودتان پاسخ داده‌اید.
confirm_send = بله، ارسال شود

# --- the thanks page ---
thanks_title = سپاس
thanks_rated = امتیاز شما: { $score } از { $top }
thanks_note = پاسخ شما ثبت شد. با همین پیوند می‌توانید آن را تغییر دهید.
thanks_change = تغییر پاسخ
thanks_happiness = ببینید دیگران چه امتیازی داده‌اند

# --- notices ---
not_found_title = این پیوند به جایی نمی‌رسد
not_found_text = شاید بخشی از آن در راه جا مانده است. لطفاً پیوند را دوباره از پیام خود باز کنید یا آن را کامل کپی کنید.
expired_title = مهلت این پیوند تمام شده است
expired_text = سپاس که می‌خواستید پاسخ دهید. مهلت پاسخ گذشته است و دیگر نمی‌توانیم این‌جا پاسخی ثبت کنیم. اگر هنوز چیزی حل نشده است، لطفاً به تیم پشتیبانی بنویسید.
withdrawn_title = این پرسش دیگر باز نیست
withdrawn_text = این پرسش پس گرفته شده است، شاید چون درخواست شما دوباره باز شده است. لازم نیست کاری انجام دهید.
closed_title = این نظرسنجی بسته شده است
closed_text = سپاس که می‌خواستید پاسخ دهید. این نظرسنجی دیگر پاسخی نمی‌پذیرد.
settled_title = دیگر نمی‌توان پاسخ را تغییر داد
settled_text = پاسخ شما پیش‌تر ثبت و شمرده شده است. از شما سپاس‌گزاریم.
too_many_title = لطفاً کمی صبر کنید
too_many_text = در زمانی کوتاه تلاش‌های زیادی شد. لطفاً { $seconds } ثانیهٔ دیگر دوباره امتحان کنید.
unavailable_title = لطفاً کمی بعد دوباره امتحان کنید
unavailable_text = در سامانهٔ ما مشکلی پیش آمده است. اگر همین حالا پاسخی فرستادید، هنوز ثبت نشده است: لطفاً برگردید و دوباره دکمه را بزنید.

# --- any other page that cannot be shown ---
page_missing_title = اینجا چیزی نیست
page_missing_text = این نشانی به جایی نمی‌رسد. شاید اشتباه نوشته شده باشد.
page_busy_title = لطفاً کمی بعد دوباره تلاش کنید
page_busy_text = همین حالا سرمان خیلی شلوغ است.
page_failed_title = انجام نشد
page_failed_text = نتوانستیم به این درخواست پاسخ بدهیم. اگر باز هم پیش آمد، به گردانندهٔ این سرویس خبر بدهید.

# --- unsubscribing ---
unsubscribe_title = این ایمیل‌ها متوقف شوند؟
unsubscribe_text = دیگر نظرسنجی‌ای از { $company } دریافت نخواهید کرد. پیام‌های مربوط به درخواست‌هایتان همچنان به شما می‌رسند.
unsubscribe_text_unnamed = دیگر نظرسنجی‌ای از ما دریافت نخواهید کرد. پیام‌های مربوط به درخواست‌هایتان همچنان به شما می‌رسند.
unsubscribe_confirm = بله، متوقف شوند
unsubscribed_title = اشتراک شما لغو شد
unsubscribed_text = { $company } دیگر برای شما نظرسنجی نمی‌فرستد.
unsubscribed_text_unnamed = دیگر برای شما نظرسنجی نمی‌فرستیم.

# --- mail ---
mail_subject = یک پرسش از طرف { $company }
mail_subject_unnamed = یک پرسش از شما
mail_greeting = سلام { $name }،
mail_greeting_unnamed = سلام،
mail_closed = رسیدگی به درخواست شما به پایان رسید. اجازه می‌دهید یک پرسش دربارهٔ آن بپرسیم؟
mail_invite = اجازه می‌دهید یک پرسش از شما بپرسیم؟
mail_ticket = درخواست { $id }
mail_agent = پاسخ‌دهنده: { $name }
mail_end = { $score } = { $word }
mail_one_click = یک کلیک کافی است. در صفحه‌ای که باز می‌شود می‌توانید نظرتان را هم بنویسید.
mail_open = یا صفحهٔ نظرسنجی را باز کنید
mail_why = این ایمیل را دریافت کرده‌اید چون با { $company } در تماس بوده‌اید.
mail_why_unnamed = این ایمیل را دریافت کرده‌اید چون با ما در تماس بوده‌اید.
mail_unsubscribe = توقف این ایمیل‌ها

# --- the reminder: what differs from the first mail ---
reminder_subject = یادآوری کوتاه: یک پرسش از طرف { $company }
reminder_subject_unnamed = یادآوری کوتاه: یک پرسش از شما
reminder_closed = چندی پیش دربارهٔ درخواستتان از شما پرسیدیم. اگر فرصتی دارید، هنوز هم دوست داریم نظرتان را بدانیم. دیگر یادآوری نمی‌کنیم.
reminder_invite = چندی پیش یک پرسش از شما داشتیم. اگر فرصتی دارید، هنوز هم دوست داریم پاسختان را بدانیم. دیگر یادآوری نمی‌کنیم.

# --- the short wording of SMS and chat ---
message_ask = { $company }: یک پرسش از شما داریم. با یک لمس پاسخ دهید: { $link }
message_ask_unnamed = یک پرسش از شما داریم. با یک لمس پاسخ دهید: { $link }
message_remind = { $company }: یادآوری کوتاه. یک پرسش، یک لمس: { $link }
message_remind_unnamed = یادآوری کوتاه. یک پرسش، یک لمس: { $link }

# --- the happiness report ---
happiness_eyebrow = گزارش رضایت
happiness_title = { $title }: گزارش رضایت
happiness_csat_headline = { $part } نفر از { $count } نفر راضی
happiness_ces_headline = برای { $part } نفر از { $count } نفر آسان بود
happiness_nps_headline = امتیاز خالص مروجان: { $score }
happiness_share_interval = سهم واقعی احتمالاً بین { $low } تا { $high } درصد است.
happiness_nps_interval = مقدار واقعی احتمالاً بین { $low } و { $high } است.
happiness_last = { $count } رأی آخر
happiness_span = { $from } تا { $to }
happiness_newest_first = تازه‌ترین رأی در آغاز
happiness_promoters = مروجان
happiness_passives = منفعلان
happiness_detractors = منتقدان
happiness_scores = رأی‌ها بر پایهٔ امتیاز
happiness_score = امتیاز
happiness_votes = تعداد رأی
happiness_all = همهٔ { $count } رأی
happiness_comments = از زبان خودشان
happiness_comments_why = نظرها با رضایت نویسنده منتشر می‌شوند و فقط از نظر اطلاعات شخصی و توهین بررسی می‌شوند، نه از نظر امتیاز.
happiness_people = از چه کسانی پرسیده شد
happiness_response = { $answered } نفر از { $invited } نفری که از آن‌ها پرسیده شد پاسخ داده‌اند ({ $rate }).
happiness_everybody = پس از بسته‌شدن هر درخواست، نظر مشتری پرسیده می‌شود.
happiness_sample = { $percent } درصد درخواست‌ها به‌تصادف انتخاب و پس از بسته‌شدن دربارهٔ آن‌ها پرسیده می‌شود.
happiness_quiet = در هر { $days } روز از هیچ‌کس دو بار پرسیده نمی‌شود.
happiness_rules = هر رأیی که با پیوند شخصی داده شود، با هر امتیازی، شمرده می‌شود. رأی‌های تازه { $lot } تا { $lot } تا یا پس از یک روز نمایان می‌شوند تا نتوان هیچ رأیی را به کسی نسبت داد.
happiness_since = رأی‌ها از { $day }.
happiness_updated = آخرین تغییر: { $day }.
happiness_collecting = هنوز رأی کافی نیست: { $n } از { $minimum }
happiness_collecting_why = پیش از آن چیزی نمایش داده نمی‌شود تا نتوان هیچ رأیی را به کسی نسبت داد.
happiness_data = همین ارقام به‌صورت JSON
happiness_list_title = گزارش‌های رضایت
happiness_list_text = آنچه مشتریان دربارهٔ پشتیبانی گفته‌اند، همان‌گونه که گفته‌اند.
happiness_list_empty = هنوز هیچ گزارشی عمومی نشده است.

# --- the start page ---
start_title = نبض در حال اجراست
start_text = پس از هر تعامل، یک پرسش از مشتری می‌پرسد و نشان می‌دهد پاسخ‌ها چه می‌گویند.
start_running = چه چیزی در حال اجراست
start_version = نسخه
start_engine = پایگاه داده
start_address = نشانی
start_mail = ایمیل‌ها می‌روند به
start_steps = سه گام نخست
start_key = ساختن کلید API
start_key_text = روی همان دستگاهی که نبض اجرا می‌شود. کلید فقط یک بار نشان داده می‌شود.
start_survey = ساختن نظرسنجی
start_survey_text = رضایت با پنج امتیاز، همراه با گزارش عمومی.
start_interaction = فرستادن یک تعامل
start_interaction_text = یک درخواست بسته‌شده. پاسخ، پیوند مشتری را در خود دارد؛ بازش کنید و رأی دهید.
start_more = از این‌جا به بعد
start_mailbox = دیدن ایمیل‌ها
start_docs = راهنمای API
start_happiness = گزارش‌های عمومی رضایت
start_openapi = توصیف API برای برنامه‌ها (OpenAPI)
start_health = آیا سرویس زنده است؟
